// The page of webhooks: what the workers do and what becomes of the last event, while it happens.
//
//   /webhooks/live ── workers ──> the list, anew
//                  ── change ───> one worker, one delivery, or another event: then its deliveries are asked for
//                  ── lost ─────> too much at once: all is asked for
//
// Whatever came over the wire is put into the page as text (textContent), never as markup.
"use strict";

const $ = (id) => document.getElementById(id);
const place = (url) => new URL(url).host;
let shown = $("sum").dataset.message;
let begun = 0;

function worker(number, work) {
  const item = $("workers").children[number];
  item.toggleAttribute("data-busy", work !== null);
  item.textContent = work === null ? "" : place(work.url);
}

function row(delivery) {
  const row = document.createElement("tr");
  row.id = delivery.id;
  row.dataset.state = delivery.state;
  const cells = [delivery.url ? place(delivery.url) : "", delivery.state, delivery.status ?? "", delivery.latency_ms ?? "",
    delivery.attempts.length];
  for (const text of cells) row.insertCell().textContent = text;
  return row;
}

function delivered(change) {
  const row = change.message === shown ? $(change.delivery) : null;
  if (row === null) return;
  row.dataset.state = change.state;
  const attempt = change.attempt;
  [change.state, attempt.status ?? attempt.error ?? "", attempt.latency_ms, attempt.number]
    .forEach((text, at) => { row.cells[at + 1].textContent = text; });
  sum();
}

function sum() {
  const rows = [...$("deliveries").rows];
  const delivered = rows.filter((row) => row.dataset.state === "delivered").length;
  const took = begun > 0 ? `, ${Math.round(performance.now() - begun)} ms since it came` : "";
  if (rows.length > 0) $("sum").textContent = `${delivered} of ${rows.length} delivered${took}`;
}

async function show(message) {
  const answer = await fetch(`/webhooks/events/${message}`);
  if (!answer.ok) return;
  const { data } = await answer.json();
  shown = data.id;
  $("type").textContent = data.type;
  $("deliveries").replaceChildren(...data.deliveries.map(row));
  sum();
}

const heard = {
  worker: (change) => worker(change.number, change.work),
  delivery: delivered,
  message: (change) => { begun = performance.now(); show(change.message); },
};

const live = new EventSource("/webhooks/live");
live.addEventListener("workers", (event) => {
  JSON.parse(event.data).forEach((work, number) => worker(number, work));
  $("link").dataset.state = "live";
  $("link").textContent = "live";
  if (shown) show(shown);
});
live.addEventListener("change", (event) => {
  const change = JSON.parse(event.data);
  heard[change.is](change);
});
live.addEventListener("lost", () => { if (shown) show(shown); });
live.onerror = () => {
  $("link").dataset.state = "waiting";
  $("link").textContent = "the connection is lost: it is tried again";
};

$("demo").hidden = false;
$("demo").onclick = async () => {
  $("demo").disabled = true;
  await fetch("/webhooks/demo", { method: "POST" });
  $("demo").disabled = false;
};
sum();
