"""How a run is placed on Ray: entry point, ingest, worker, reporting, failure policy."""
