"""The documentation page of a served model with a form to try it: self-contained HTML without external resources."""

from __future__ import annotations

import json
from html import escape
from typing import Final

from mlspec.runtime import openapi
from mlspec.runtime.contract import DATATYPES, Contract

_STYLE: Final = """
:root{color-scheme:light dark;--ink:#1c2430;--dim:#5b6675;--line:#d8dee6;--paper:#fff;--box:#f5f7f9;--go:#14539a}
@media(prefers-color-scheme:dark){
:root{--ink:#e3e8ee;--dim:#9aa6b4;--line:#36404c;--paper:#151a20;--box:#1e252d;--go:#6cb0f5}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:54rem;
margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin:0}h2{font-size:1.1rem;margin:2.2rem 0 .6rem}p{margin:.3rem 0}.dim{color:var(--dim)}
table{border-collapse:collapse;width:100%}
td,th{text-align:left;padding:.35rem .8rem .35rem 0;border-bottom:1px solid var(--line);vertical-align:top}
th{font-weight:600;color:var(--dim);font-size:.85rem}
code,pre,textarea{font:14px/1.45 ui-monospace,Menlo,Consolas,monospace}
pre,textarea{background:var(--box);border:1px solid var(--line);border-radius:6px;padding:.7rem;margin:.4rem 0;
overflow:auto;color:inherit}
pre{white-space:pre-wrap;overflow-wrap:anywhere;min-height:1.3em}
textarea{width:100%;box-sizing:border-box;min-height:9rem;resize:vertical}
button{font:inherit;color:var(--paper);background:var(--go);border:0;border-radius:6px;padding:.4rem 1.1rem;
cursor:pointer}
button:focus-visible,textarea:focus-visible,a:focus-visible{outline:2px solid var(--go);outline-offset:2px}
a{color:var(--go)}label{font-weight:600}.bar{display:flex;gap:1rem;align-items:center}
"""
_SCRIPT: Final = """
const get = (id) => document.getElementById(id);
get("try").addEventListener("submit", async (event) => {
  event.preventDefault();
  const began = performance.now();
  get("state").textContent = "";
  try {
    const headers = {"Content-Type": "application/json"};
    const answer = await fetch("predict", {method: "POST", headers, body: get("row").value});
    const text = await answer.text();
    get("state").textContent = `${answer.status} in ${(performance.now() - began).toFixed(1)} ms`;
    get("answer").textContent = text;
    get("answer").textContent = JSON.stringify(JSON.parse(text), null, 2);
  } catch (error) { get("state").textContent ||= String(error); }
});
get("curl").textContent = get("curl").textContent.replace("http://HOST", location.origin);
"""


def page(contract: Contract) -> str:
    """The page as HTML."""
    row = openapi.example(contract)
    inputs = "".join(f"<tr><td><code>{escape(n)}</code><td>{k}<td>{DATATYPES[k]}" for n, k in contract.inputs.items())
    outputs = "".join(
        f"<tr><td><code>{escape(o.name)}</code><td>{o.datatype}<td><code>{escape(str([-1, *o.shape]))}</code>"
        for o in contract.outputs
    )
    labels = (
        f"<p>Labels: {', '.join(f'<code>{escape(label)}</code>' for label in contract.labels)}"
        if contract.labels
        else ""
    )
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>{escape(contract.name)}</title><link rel="icon" href="data:,"><style>{_STYLE}</style>
<h1>{escape(contract.name)}</h1>
<p class="dim">Version {escape(contract.version)} ·
<a href="openapi.json">openapi.json</a> · <a href="metrics">metrics</a>
<h2>Try it</h2>
<form id="try"><label for="row">One row, or a list of rows</label>
<textarea id="row" spellcheck="false">{escape(json.dumps(row, indent=2, ensure_ascii=False))}</textarea>
<div class="bar"><button>Predict</button><span id="state" class="dim" role="status"></span></div></form>
<pre id="answer" aria-live="polite" aria-label="Answer"></pre>
<h2>From a shell</h2><pre id="curl">{escape(curl(contract, "http://HOST"))}</pre>
<h2>Inputs</h2><table><tr><th>name<th>kind<th>datatype{inputs}</table>
<h2>Answer</h2><table><tr><th>name<th>datatype<th>shape{outputs}</table>{labels}
<h2>Routes</h2><table><tr><th>request<th>answer{_routes(contract)}</table>
<script>{_SCRIPT}</script></html>
"""


def curl(contract: Contract, origin: str) -> str:
    """A curl command that requests a prediction, with quotes escaped for the shell."""
    body = json.dumps(openapi.example(contract), ensure_ascii=False).replace("'", "\\u0027")
    return f"curl {origin}/predict -H 'Content-Type: application/json' -d '{body}'"


def _routes(contract: Contract) -> str:
    paths = openapi.document(contract)["paths"]
    rows = (
        (method.upper(), path, operation["summary"])
        for path, operations in paths.items()
        for method, operation in operations.items()
    )
    return "".join(
        f"<tr><td><code>{method} {escape(path)}</code><td>{escape(summary)}" for method, path, summary in rows
    )
