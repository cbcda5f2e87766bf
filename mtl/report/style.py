"""Looks of the report."""

CSS = """
:root { color-scheme: light; --ink: #22303c; --soft: #5b6b79; --line: #dde3e8; --sea: #14639e;
  --paper: #ffffff; --ground: #f3f6f8; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.5 "Segoe UI", "Helvetica Neue", Arial, "DejaVu Sans", sans-serif; }
main { max-width: 1160px; margin: 0 auto; padding: 28px 20px 60px; }
header { margin-bottom: 20px; }
h1 { margin: 0; font-size: 28px; line-height: 1.25; overflow-wrap: anywhere; }
h2 { margin: 0 0 14px; font-size: 18px; }
p { margin: 4px 0 10px; }
.kicker { color: var(--sea); font-weight: 600; margin: 0; }
.soft { color: var(--soft); }
.note { background: #fff6e5; border-left: 4px solid #d9901a; padding: 8px 12px; margin: 0 0 16px; }
section { background: var(--paper); border: 1px solid var(--line); border-radius: 10px;
  padding: 20px 22px; margin: 0 0 18px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(165px, 1fr)); gap: 12px;
  margin: 0 0 18px; padding: 0; list-style: none; }
.tiles li { background: var(--paper); border: 1px solid var(--line); border-radius: 10px;
  padding: 12px 16px 10px; display: flex; flex-direction: column; }
.tiles .name { color: var(--soft); font-size: 13px; }
.tiles .value { font-size: 27px; font-weight: 600; line-height: 1.3;
  font-variant-numeric: tabular-nums; }
.tiles .when { color: var(--soft); font-size: 13px; }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(235px, 1fr)); gap: 10px 22px;
  margin: 0 0 18px; }
dt { color: var(--soft); font-size: 13px; }
dd { margin: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
.scroll + .scroll { margin-top: 18px; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); padding-bottom: 6px; font-size: 13px; }
th, td { padding: 5px 12px; text-align: right; white-space: nowrap; }
th { font-weight: 600; }
tbody th { text-align: left; font-weight: 400; }
thead th { border-bottom: 2px solid var(--line); vertical-align: bottom; font-size: 13px; }
thead th:first-child { text-align: left; }
.numbers { min-width: 60%; }
.pair .numbers { width: 100%; }
.pair > dl { align-content: start; grid-template-columns: repeat(auto-fit, minmax(165px, 1fr)); }
.numbers tbody tr + tr > * { border-top: 1px solid #edf1f4; }
figure { margin: 0; }
figcaption { font-weight: 600; margin-bottom: 4px; overflow-wrap: anywhere; }
img { max-width: 100%; height: auto; display: block; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(320px, 1fr));
  gap: 22px 20px; }
.charts img { width: 100%; }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(320px, 1fr));
  gap: 20px; }
.pictures.wide { grid-template-columns: repeat(auto-fill, minmax(480px, 1fr)); }
.pictures img { width: 100%; border: 1px solid var(--line); border-radius: 6px; }
.key { display: inline-block; margin: 0 18px 6px 0; font-size: 13px; }
.key i { display: inline-block; width: 14px; height: 14px; border-radius: 3px; margin-right: 6px;
  border: 1px solid #8795a1; vertical-align: -2px; }
.pair { display: grid; grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); gap: 26px;
  margin-bottom: 18px; }
@media (max-width: 600px) { .pictures.wide { grid-template-columns: minmax(0, 1fr); } }
@media (max-width: 900px) { .pair { grid-template-columns: minmax(0, 1fr); } }
.heat th, .heat td { padding: 4px 6px; font-size: 13px; }
.heat td { text-align: center; min-width: 38px; height: 32px; border: 1px solid #fff; }
.heat thead th { font-weight: 400; border: 0; text-align: left; padding: 4px 2px; }
.heat thead th span { writing-mode: vertical-rl; transform: rotate(180deg); }
.heat .none { color: #8795a1; }
.bars { width: 100%; }
.bars td:nth-child(2) { width: 60%; padding: 5px 0; }
.bars th, .bars td { font-size: 13px; }
.bar { display: block; height: 14px; border-radius: 3px; background: #e9eef2; overflow: hidden; }
.bar i { display: block; height: 100%; background: var(--sea); }
details { margin-top: 14px; }
summary { cursor: pointer; color: var(--sea); font-weight: 600; }
details > * + * { margin-top: 10px; }
pre { overflow-x: auto; background: var(--ground); border: 1px solid var(--line);
  border-radius: 6px; padding: 12px 14px; font-size: 13px; line-height: 1.45; margin: 10px 0 0; }
@media print { body { background: #fff; } section { break-inside: avoid; } }
"""
"""Style sheet of the page; light, without anything from outside."""
