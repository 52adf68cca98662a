// The wire inspector's page. Two streams of Server-Sent Events: the table, and the lines of the chosen connection.
//
// Everything that came over a wire is put into the page as text (textContent), never as markup.
"use strict";

const LINES_MAX = 2000;
const RETRY_MS = 2000;

const $ = (id) => document.getElementById(id);
const rowsOf = new Map(); // connection id -> its row in the page
let chosen = null; // connection id
let lines = null; // the stream of the chosen connection
let latest = null; // the table as it came last
let shown = false; // whether a table was shown before

// --- the table ---

function listen() {
  const events = new EventSource("/inspect/events");
  events.onopen = () => link("live");
  events.addEventListener("table", (event) => {
    latest = JSON.parse(event.data);
    if (!paused()) show();
  });
  events.onerror = () => {
    link("lost");
    // The browser connects again by itself, unless the answer was no stream.
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, RETRY_MS);
  };
}

function link(state) {
  const words = { live: "live", paused: "paused", lost: "connection lost: trying again" };
  const told = state === "live" && paused() ? "paused" : state;
  if ($("link").dataset.state === told) return;
  $("link").dataset.state = told;
  $("link").textContent = words[told];
}

const paused = () => $("pause").getAttribute("aria-pressed") === "true";

function show() {
  const closed = latest.closed.map((row) => ({ ...row, phase: "closed" }));
  const open = latest.open.filter((row) => !closed.some((other) => other.id === row.id));
  const all = [...open, ...closed].sort((a, b) => b.id - a.id);
  const seen = all.filter(wanted);
  if ($("follow").checked) follow(all);
  place(seen);
  const others = open.filter((row) => !row.own).length;
  $("count").textContent = `${others} open`;
  $("empty").hidden = seen.length > 0;
  tellChosen(all);
  shown = true;
}

function wanted(row) {
  if (row.own && !$("own").checked) return false;
  const words = $("filter").value.trim().toLowerCase();
  return `#${row.id} ${row.peer} ${row.phase} ${row.why ?? ""}`.toLowerCase().includes(words);
}

function place(seen) {
  const kept = new Set(seen.map((row) => row.id));
  for (const [id, tr] of rowsOf) {
    if (!kept.has(id)) {
      tr.remove();
      rowsOf.delete(id);
    }
  }
  let before = $("rows").firstChild;
  for (const row of seen) {
    const tr = rowsOf.get(row.id) ?? newRow(row.id);
    fill(tr, row);
    if (tr === before) before = tr.nextSibling;
    else $("rows").insertBefore(tr, before);
  }
}

function newRow(id) {
  const tr = document.createElement("tr");
  tr.dataset.id = id;
  if (shown) tr.className = "new";
  const button = document.createElement("button");
  button.className = "id";
  button.type = "button";
  button.textContent = `#${id}`;
  button.setAttribute("aria-label", `Connection ${id}`);
  const state = document.createElement("span");
  const cells = ["id", "mono peer", "", "n", "n deadline", "n wide", "n", "n", "n wide"].map((name) => {
    const td = document.createElement("td");
    td.className = name;
    return td;
  });
  cells[0].append(button);
  cells[2].append(state);
  tr.append(...cells);
  rowsOf.set(id, tr);
  return tr;
}

function fill(tr, row) {
  const closed = row.phase === "closed";
  tr.classList.toggle("closed", closed);
  tr.classList.toggle("own", row.own);
  tr.setAttribute("aria-selected", String(row.id === chosen));
  const state = tr.cells[2].firstChild;
  put(state, closed ? `closed: ${row.why}` : row.phase);
  if (closed) state.title = row.why;
  const name = `state ${row.phase}`;
  if (state.className !== name) state.className = name;
  put(tr.cells[1], row.peer);
  put(tr.cells[3], closed ? `${time(row.ago_ms)} ago` : time(row.in_phase_ms));
  const left = closed ? null : row.deadline_left_ms;
  put(tr.cells[4], left === null ? "–" : time(left));
  tr.cells[4].classList.toggle("soon", left !== null && left < 1000);
  // Of a WebSocket: when a ping asks whether the peer is there, or silence has lasted too long.
  tr.cells[4].title = row.phase === "upgraded" ? "until a ping asks, or silence ends it" : "";
  put(tr.cells[5], closed ? "–" : `${size(row.unread)} / ${size(row.queued)}`);
  put(tr.cells[6], `${size(row.received)} / ${size(row.sent)}`);
  put(tr.cells[7], String(row.served));
  put(tr.cells[8], time(row.age_ms));
}

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function time(ms) {
  if (ms < 100) return `${ms} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min ${Math.floor(ms / 1000) % 60} s`;
  return `${Math.floor(ms / 3_600_000)} h ${Math.floor(ms / 60_000) % 60} min`;
}

function size(bytes) {
  if (bytes < 10_000) return String(bytes);
  const units = ["k", "M", "G", "T"];
  let unit = -1;
  for (; bytes >= 1000 && unit < units.length - 1; unit += 1) bytes /= 1000;
  return `${bytes.toFixed(bytes < 100 ? 1 : 0)} ${units[unit]}`;
}

// --- one connection ---

function follow(all) {
  const newest = all.find((row) => !row.own);
  if (newest && newest.id !== chosen) choose(newest.id);
}

function choose(id) {
  chosen = id;
  lines?.close();
  $("exchange-title").textContent = `Connection #${id}`;
  $("why").textContent = "";
  empty();
  lines = new EventSource(`/inspect/connections/${id}/events`);
  // After a break the server tells the whole story again.
  lines.onopen = empty;
  lines.addEventListener("lines", (event) => append(JSON.parse(event.data)));
  const stream = lines;
  lines.addEventListener("over", (event) => {
    stream.close();
    if (JSON.parse(event.data).own && stream === lines) tellOwn();
  });
  lines.onerror = () => {
    if (stream.readyState === EventSource.CLOSED && stream === lines) tellNothing("Its events are not kept any longer.");
  };
  if (latest) show();
}

// What is sent to a viewer tells of what was sent to it before: a mirror that faces a mirror.
function tellOwn() {
  empty();
  tellNothing("This connection is the inspector’s own. To show it would be a mirror facing a mirror.");
}

function tellNothing(words) {
  if ($("lines").childElementCount > 0) return;
  $("no-lines").textContent = words;
  $("no-lines").hidden = false;
}

function tellChosen(all) {
  const row = all.find((row) => row.id === chosen);
  if (row) put($("why"), row.phase === "closed" ? `${row.peer} · closed: ${row.why}` : `${row.peer} · ${row.phase}`);
}

function empty() {
  $("lines").replaceChildren();
  $("lines").hidden = true;
  $("no-lines").textContent = "Nothing has happened since this page was opened.";
  $("no-lines").hidden = false;
}

function append(message) {
  if (paused()) return;
  const list = $("lines");
  const bottom = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  const items = message.lines.map(item);
  if (message.missed > 0) items.unshift(gap(message.missed));
  list.append(...items);
  while (list.childElementCount > LINES_MAX) list.firstChild.remove();
  list.hidden = list.childElementCount === 0;
  $("no-lines").hidden = !list.hidden;
  if (bottom) list.scrollTop = list.scrollHeight;
}

const ARROWS = { in: "→", out: "←", here: "" };
const WORDS = { in: "from the peer", out: "to the peer", here: "" };

function item(line) {
  const li = document.createElement("li");
  li.className = `${line.way} ${line.kind}`;
  const way = part("span", "way", ARROWS[line.way]);
  if (WORDS[line.way]) {
    way.title = WORDS[line.way];
    way.setAttribute("aria-label", WORDS[line.way]);
  }
  const note = part("span", "note", line.note);
  if (line.section) note.append(" ", section(line.section));
  const offset = line.bytes ? `${line.bytes[0]}–${line.bytes[1]}` : "";
  li.append(part("span", "at", moment(line.at_us)), way, part("span", "at", offset), code(line), note);
  return li;
}

// The bytes, with the name of a field and the end of a line told apart.
function code(line) {
  if (line.kind === "state") return part("code", "", line.text.replace(" -> ", " → "));
  const [, name, rest, end] = /^([^: ]+:)?(.*?)((?:\\r)?(?:\\n)?)$/s.exec(line.text);
  if (line.way === "here" || !(end || (line.kind === "field" && name))) return part("code", "", line.text);
  const element = document.createElement("code");
  if (line.kind === "field" && name) element.append(part("b", "", name), rest);
  else element.append((name ?? "") + rest);
  if (end) element.append(part("span", "end", end));
  return element;
}

function gap(count) {
  const li = document.createElement("li");
  li.className = "here";
  li.append(part("span", "at", ""), part("span", "way", ""), part("span", "at", ""));
  li.append(part("code", "", `… ${count} events missed`), part("span", "note", "only the latest are kept"));
  return li;
}

function part(name, className, text) {
  const element = document.createElement(name);
  if (className) element.className = className;
  element.textContent = text;
  return element;
}

// "RFC 9112 3.2" leads to its text.
function section(name) {
  const found = /^RFC (\d+) ([0-9A-Z][0-9.]*)$/.exec(name);
  if (!found) return part("span", "rfc", name);
  const link = part("a", "rfc", name);
  const kind = /^[0-9]/.test(found[2]) ? "section" : "appendix";
  link.href = `https://www.rfc-editor.org/rfc/rfc${found[1]}#${kind}-${found[2]}`;
  link.rel = "noreferrer";
  link.target = "_blank";
  return link;
}

function moment(us) {
  return us < 1_000_000 ? `${(us / 1000).toFixed(2)} ms` : `${(us / 1_000_000).toFixed(3)} s`;
}

// --- what the visitor does ---

function pick(tr) {
  $("follow").checked = false;
  choose(Number(tr.dataset.id));
}

$("rows").addEventListener("click", (event) => {
  const tr = event.target.closest("tr");
  if (!tr) return;
  pick(tr);
  // On a narrow page the exchange stands below the table.
  if (matchMedia("(max-width: 44rem)").matches) $("exchange-title").scrollIntoView();
});

$("rows").addEventListener("keydown", (event) => {
  const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
  const next = step && event.target.closest("tr")?.[step];
  if (!next) return;
  event.preventDefault();
  next.querySelector("button").focus();
  pick(next);
});

$("pause").addEventListener("click", () => {
  const pausing = !paused();
  $("pause").setAttribute("aria-pressed", String(pausing));
  $("pause").textContent = pausing ? "Go on" : "Pause";
  link(pausing ? "paused" : "live");
  // What was missed while paused is told again.
  if (!pausing && chosen !== null) choose(chosen);
  if (!pausing && latest) show();
});

for (const id of ["filter", "follow", "own"]) {
  $(id).addEventListener("input", () => latest && show());
}
$("bytes-only").addEventListener("input", () => $("lines").classList.toggle("bytes-only", $("bytes-only").checked));
$("hint").textContent = `curl ${location.origin}/`;

listen();
