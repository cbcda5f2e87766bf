#!/usr/bin/env bash
# What cluster/gcp.yaml needs to be there once per project: a network that lets nobody in but
# Identity-Aware Proxy, a way out for pip and the bucket, and an account for the workers.
set -euo pipefail
project=${1:?usage: gcp_network.sh PROJECT BUCKET}
bucket=${2:?usage: gcp_network.sh PROJECT BUCKET}
region=europe-west4
name=maritime-mtl
gcloud config set project "$project"

gcloud compute networks create $name --subnet-mode=custom
gcloud compute networks subnets create $name --network=$name --region=$region \
  --range=10.20.0.0/20 --enable-private-ip-google-access
gcloud compute routers create $name --network=$name --region=$region
gcloud compute routers nats create $name --router=$name --region=$region \
  --auto-allocate-nat-external-ips --nat-all-subnet-ip-ranges

# The nodes reach each other, and the proxy reaches SSH; everything else is refused by default.
gcloud compute firewall-rules create $name-inside --network=$name \
  --allow=all --source-ranges=10.20.0.0/20
gcloud compute firewall-rules create $name-proxy --network=$name \
  --allow=tcp:22 --source-ranges=35.235.240.0/20

gcloud iam service-accounts create $name-worker
gcloud storage buckets add-iam-policy-binding "gs://$bucket" --role=roles/storage.objectUser \
  --member="serviceAccount:$name-worker@$project.iam.gserviceaccount.com"
