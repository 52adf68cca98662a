// The page of webhooks: what the workers do and what becomes of the last event, while it happens.
//
//   /webhooks/live ── workers ──> the list, anew
//                  ── change ───> one worker, one delivery, or another event: then its deliveries are asked for
//                  ── lost ─────> too much at once: all is asked for
//
// An event that has come is asked for, and what becomes of it until the answer is there is kept and put in then: by the number of
// the attempt, since the answer may know it already. An answer that another event has overtaken is thrown away.
//
// Whatever came over the wire is put into the page as text (textContent), never as markup.
"use strict";

const $ = (id) => document.getElementById(id);
const ROWS_MAX = 100;
const place = (url) => new URL(url).host;
let wanted = $("sum").dataset.message;
let asked = 0;
let early = null;
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
  if (change.message !== wanted) return;
  if (early !== null) early.push(change);
  const row = $(change.delivery);
  if (row === null || Number(row.cells[4].textContent) > change.attempt.number) return;
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
  const of = rows.length === ROWS_MAX ? `the first ${ROWS_MAX}` : rows.length;
  if (rows.length > 0) $("sum").textContent = `${delivered} of ${of} delivered${took}`;
}

async function show(message) {
  const question = ++asked;
  wanted = message;
  early = [];
  const answer = await fetch(`/webhooks/events/${message}`).catch(() => null);
  const { data } = answer?.ok ? await answer.json() : {};
  if (question !== asked) return;
  const since = early;
  early = null;
  if (data === undefined) return;
  $("type").textContent = data.type;
  $("deliveries").replaceChildren(...data.deliveries.slice(0, ROWS_MAX).map(row));
  since.forEach(delivered);
  sum();
}

function circuits(all) {
  $("circuits").replaceChildren(...all.map((one) => {
    const item = document.createElement("li");
    const wait = one.retry_in_ms === null ? "" : `, asked again in ${Math.ceil(one.retry_in_ms / 1000)} s`;
    item.textContent = `${one.host} is ${one.state.replace("_", " ")}${wait}`;
    return item;
  }));
}

const heard = {
  circuits: (change) => circuits(change.circuits),
  worker: (change) => worker(change.number, change.work),
  delivery: delivered,
  message: (change) => { begun = performance.now(); show(change.message); },
};

const live = new EventSource("/webhooks/live");
live.addEventListener("workers", (event) => {
  JSON.parse(event.data).forEach((work, number) => worker(number, work));
  $("link").dataset.state = "live";
  $("link").textContent = "live";
  if (wanted) show(wanted);
});
live.addEventListener("change", (event) => {
  const change = JSON.parse(event.data);
  heard[change.is](change);
});
live.addEventListener("lost", () => { if (wanted) show(wanted); });
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
