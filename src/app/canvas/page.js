// The page of a room: a grid of pixels that everybody there draws on. README.md beside this file has the protocol.
//
//   pointer, keys ── strokes ──┬──────> socket ──> room
//                              v                    │
//                           screen <──── grid <─────┘ Snapshots, Deltas
//
// The one idea: the grid holds what the server has told and nothing else. What is drawn here is painted on the screen
// at once, and becomes part of the grid by the Delta that brings it back. So whatever the server did not take is gone
// as soon as the screen is painted anew from the grid: after a Snapshot, and when the connection is lost.
//
// Whatever came over the wire is put into the page as text (textContent), never as markup.
"use strict";

const PROTOCOL = "canvas.1";
const SIDE = 256;
const COLOURS = 32;
const STROKE_PIXELS_MAX = 4096;

// Together 40 messages a second at most, far below what the server takes.
const STROKES_EVERY_MS = 33;
const CURSOR_EVERY_MS = 100;

// The first wait is 1 to 2 s, each one after it twice as long, the longest 15 to 30 s.
const WAIT_MS = 1000;
const WAIT_MS_MAX = 15_000;
const OPEN_MS_MAX = 10_000; // until the first Snapshot
const ECHO_MS_MAX = 10_000; // until the server says anything, once something was drawn
const STEADY_MS = 10_000; // a connection that lasted so long makes the next wait short again
const BUSY_TRIES = 3; // who was told to come later begins with the wait after so many tries

const NOTICE_MS = 6000;
const ZOOM_MAX = 16;
const RULED_FROM_PX = 8; // pixels as large as this have lines between them

const $ = (id) => document.getElementById(id);
const room = location.pathname.split("/")[2] ?? "";
const canvas = $("canvas");
const clamp = (value, least, most) => Math.min(Math.max(value, least), most);

// --- the connection ---

let state = "connecting"; // connecting, live, waiting, closed
let socket = null;
let position = null; // { epoch, seq } of the grid
let member = null; // our number
let tries = 0;
let liveSince = Infinity;
let timer = 0; // of the one thing that is waited for
let echo = 0; // timer: what was drawn has not come back

function connect() {
  clearTimeout(timer);
  show("connecting", "connecting");
  const url = new URL(`/canvas/${room}/ws`, location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  const opened = new WebSocket(url, PROTOCOL);
  socket = opened;
  opened.binaryType = "arraybuffer";
  opened.onopen = () => opened.send(hello());
  opened.onmessage = (event) => hear(event.data);
  opened.onclose = (event) => lost(event.code, event.reason);
  timer = setTimeout(() => abandon("the server does not answer"), OPEN_MS_MAX);
}

function live() {
  if (state === "live") return;
  clearTimeout(timer);
  liveSince = performance.now();
  show("live", "live");
  say("Connected.");
  nextFrame();
}

// The connection has ended: waits and tries again, unless the server has found fault with this page.
function lost(code, reason) {
  forgetConnection();
  if (performance.now() - liveSince > STEADY_MS) tries = 0;
  liveSince = Infinity;
  if (code === 1003 || code === 1008) return closed(`closed by the server: ${reason || `code ${code}`}`);
  if (code === 1013) tries = Math.max(tries, BUSY_TRIES);
  const wait = Math.min(WAIT_MS * 2 ** tries, WAIT_MS_MAX) * (1 + Math.random());
  tries += 1;
  const why = reason || (code === 1001 ? "the server shuts down" : "connection lost");
  say(`${why}; trying again in ${Math.ceil(wait / 1000)} seconds.`);
  countDown(why, performance.now() + wait);
}

// This side ends the connection, and does not wait until the peer agrees: it may be out of reach.
function abandon(why) {
  console.warn(`canvas: ${why}`);
  const left = socket;
  left.onopen = left.onmessage = left.onclose = null;
  left.close(4000, why);
  lost(4000, why);
}

function forgetConnection() {
  socket = null;
  clearTimeout(timer);
  clearTimeout(echo);
  echo = 0;
  dropStrokes();
  tellPresence(0, []);
  standing = "";
}

function countDown(why, until) {
  const seconds = Math.ceil((until - performance.now()) / 1000);
  if (seconds <= 0) return connect();
  show("waiting", `${why}: trying again in ${seconds} s`);
  timer = setTimeout(() => countDown(why, until), (until - performance.now()) % 1000 || 1000);
}

function closed(words) {
  show("closed", words);
  say(words);
}

function show(next, words) {
  state = next;
  $("link").dataset.state = $("panes").dataset.state = next;
  $("link").textContent = words;
  $("retry").hidden = next !== "waiting" && next !== "closed";
  $("retry").textContent = next === "closed" ? "Join again" : "Try now";
  $("undo").disabled = next !== "live";
}

// --- what the server says ---

const READERS = new Map([
  [0x81, readWelcome],
  [0x82, readSnapshot],
  [0x83, readDelta],
  [0x84, readPresence],
  [0x85, readNotice],
]);

// A message that ends too early makes DataView throw a RangeError, and so do the readers for what else cannot be.
function hear(data) {
  clearTimeout(echo);
  echo = 0;
  const view = data instanceof ArrayBuffer && data.byteLength > 0 ? new DataView(data) : null;
  const read = view && READERS.get(view.getUint8(0));
  if (!read) return console.info("canvas: a message of an unknown type was ignored");
  try {
    read(view);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    position = null;
    console.warn(`canvas: ${error.message}`, data);
    abandon("a message was malformed");
  }
}

function must(holds, words) {
  if (!holds) throw new RangeError(words);
}

function readWelcome(view) {
  const resumed = (view.getUint8(1) & 1) !== 0;
  member = view.getUint32(2);
  keepToken(new Uint8Array(view.buffer, 6, 16));
  must(view.getUint16(22) === SIDE && view.getUint16(24) === SIDE, `the grid is not ${SIDE} by ${SIDE}`);
  const palette = new Uint8Array(view.buffer, 26);
  must(palette.length > 0 && palette.length % 3 === 0 && palette.length <= 3 * COLOURS, "this is no palette");
  must(!resumed || position, "nothing can be resumed");
  takePalette(palette);
  if (resumed) live();
}

function readSnapshot(view) {
  const told = { epoch: view.getUint32(1), seq: view.getUint32(5) };
  let place = 0;
  eachRun(view, 9, false, (from, until, colour) => {
    grid.fill(colour, from, until);
    place = until;
  });
  must(place === grid.length, "a Snapshot has all pixels");
  position = told;
  repaint();
  live();
}

function readDelta(view) {
  const seq = view.getUint32(1);
  must(position && seq === (position.seq + 1) >>> 0, "a Delta is missing");
  eachRun(view, 5, true, (from, until, colour) => {
    grid.fill(colour, from, until);
    paint(from, until, colour);
  });
  position.seq = seq;
}

function eachRun(view, at, hasPlaces, take) {
  let place = 0;
  while (at < view.byteLength) {
    if (hasPlaces) {
      place = view.getUint16(at);
      at += 2;
    }
    const first = view.getUint8(at++);
    let count = (first >> 5) + 1;
    if (count === 8) count += view.getUint8(at++);
    must(place + count <= grid.length, "a run goes past the last pixel");
    take(place, place + count, first & 31);
    place += count;
  }
}

function readPresence(view) {
  must(view.byteLength % 6 === 5, "a Presence has six bytes for each cursor");
  const others = [];
  for (let at = 5; at < view.byteLength; at += 6) {
    const cursor = { member: view.getUint32(at), x: view.getUint8(at + 4), y: view.getUint8(at + 5) };
    if (cursor.member !== member) others.push(cursor);
  }
  tellPresence(view.getUint32(1), others);
}

const APART = 4; // holds until the next one says otherwise
const TOGETHER = 5;

function readNotice(view) {
  const code = view.getUint8(1);
  const words = new TextDecoder().decode(new Uint8Array(view.buffer, 2));
  if (code === APART) standing = words;
  if (code === TOGETHER) standing = "";
  notice(words);
}

// --- what the page says ---

const HELLO = 0x01;
const STROKE = 0x02;
const CURSOR = 0x03;
const UNDO = 0x04;
const HIDE = 0x05;

const GOES_ON = 1; // flags of a Stroke
const DOTS = 2;

// A connection that is closing takes nothing more; what ends it also ends what was said in vain.
function send(...bytes) {
  if (socket.readyState === WebSocket.OPEN) socket.send(new Uint8Array(bytes));
}

function hello() {
  const message = new DataView(new ArrayBuffer(25));
  message.setUint8(0, HELLO);
  new Uint8Array(message.buffer, 1, 16).set(keptToken());
  message.setUint32(17, position?.epoch ?? 0);
  message.setUint32(21, position?.seq ?? 0);
  return message.buffer;
}

// Who loads the page anew is still the same member. Nothing kept throws, and so does a browser that keeps nothing.
function keptToken() {
  try {
    return JSON.parse(sessionStorage.getItem(`canvas ${room}`)).slice(0, 16);
  } catch {
    return [];
  }
}

function keepToken(token) {
  try {
    sessionStorage.setItem(`canvas ${room}`, JSON.stringify([...token]));
  } catch {
    console.info("canvas: this browser keeps nothing; what was drawn cannot be undone once the page is loaded anew");
  }
}

const strokes = []; // { goesOn, colour, places } that are not sent yet
let strokesAt = 0;
let pointing = null; // { x, y } where others are to see us
let pointed = null; // the same as they know it
let pointedAt = 0;

function sendStrokes() {
  for (const { goesOn, colour, places } of strokes.splice(0)) {
    const points = [...places].flatMap((place) => [place % SIDE, Math.floor(place / SIDE)]);
    send(STROKE, DOTS | (goesOn ? GOES_ON : 0), colour, ...points);
    echo ||= setTimeout(() => abandon("the server does not answer"), ECHO_MS_MAX);
  }
}

// Says where we point, unless what was said before is still on its way.
function sendCursor() {
  if (socket.bufferedAmount > 0) return;
  if (!pointing) send(HIDE);
  else if (pointing.x !== pointed?.x || pointing.y !== pointed?.y) send(CURSOR, pointing.x, pointing.y);
  pointed = pointing;
}

function undo() {
  if (state !== "live") return;
  lift();
  sendStrokes();
  send(UNDO);
}

// --- strokes ---

// While it is down: { pointer, colour, size, x, y, away }. The pointer is that which holds it, none when a key does; it
// is away while that is outside of the board.
let pen = null;

function putDown(x, y, pointer = null) {
  if (state !== "live") return notice("Not connected: nothing is drawn.");
  pen = { pointer, colour, size };
  begin(x, y, false);
}

function begin(x, y, goesOn) {
  strokes.push({ goesOn, colour: pen.colour, places: new Set() });
  Object.assign(pen, { x, y, away: false });
  stamp(x, y);
  nextFrame();
}

function drawTo(x, y) {
  line(pen.x, pen.y, x, y, stamp);
  Object.assign(pen, { x, y });
  nextFrame();
}

// Sets what the pen covers. Each place is sent once, however often a hand comes by before it is.
function stamp(x, y) {
  const [from, to] = reach(pen.size);
  const last = strokes.at(-1);
  if (!last || last.places.size + pen.size ** 2 > STROKE_PIXELS_MAX) return begin(x, y, true);
  for (let row = Math.max(y + from, 0); row <= Math.min(y + to, SIDE - 1); row += 1) {
    for (let column = Math.max(x + from, 0); column <= Math.min(x + to, SIDE - 1); column += 1) {
      const place = row * SIDE + column;
      last.places.add(place);
      paint(place, place + 1, pen.colour);
    }
  }
}

// How far a pen goes before and behind the pixel that it is put on.
const reach = (size) => [-((size - 1) >> 1), size >> 1];

function lift() {
  pen = null;
}

// Two fingers move the picture: what the first one drew until the second one came was not meant.
function takeBack() {
  if (!pen) return;
  lift();
  const first = strokes.findLastIndex((stroke) => !stroke.goesOn);
  if (first < 0) return undo();
  strokes.splice(first);
  repaint();
}

function dropStrokes() {
  lift();
  strokes.length = 0;
  pointed = null;
  repaint();
}

// Bresenham's: the pixels that the server sets, too, for points that are joined.
function line(x0, y0, x1, y1, set) {
  const dx = Math.abs(x1 - x0);
  const dy = -Math.abs(y1 - y0);
  const sx = x0 < x1 ? 1 : -1;
  const sy = y0 < y1 ? 1 : -1;
  for (let error = dx + dy; ; ) {
    set(x0, y0);
    if (x0 === x1 && y0 === y1) return;
    const twice = 2 * error;
    if (twice >= dy) {
      error += dy;
      x0 += sx;
    }
    if (twice <= dx) {
      error += dx;
      y0 += sy;
    }
  }
}

// --- the screen ---

const grid = new Uint8Array(SIDE * SIDE);
const context = canvas.getContext("2d");
const image = context.createImageData(SIDE, SIDE);
const screen = new Uint32Array(image.data.buffer);
const inks = new Uint32Array(COLOURS); // the bytes of each colour, as the screen has them
let isStale = false;
let isFrameDue = false;

function paint(from, until, colour) {
  screen.fill(inks[colour], from, until);
  isStale = true;
  nextFrame();
}

function repaint() {
  for (let place = 0; place < grid.length; place += 1) screen[place] = inks[grid[place]];
  isStale = true;
  nextFrame();
}

function nextFrame() {
  if (isFrameDue) return;
  isFrameDue = true;
  requestAnimationFrame(frame);
}

function frame(now) {
  isFrameDue = false;
  if (isStale) context.putImageData(image, 0, 0);
  isStale = false;
  if (state !== "live") return;
  if (strokes.length > 0 && now - strokesAt >= STROKES_EVERY_MS) {
    sendStrokes();
    strokesAt = now;
  }
  if (pointing !== pointed && now - pointedAt >= CURSOR_EVERY_MS) {
    sendCursor();
    pointedAt = now;
  }
  if (strokes.length > 0 || pointing !== pointed) nextFrame();
}

// --- others ---

const cursors = new Map(); // member -> its mark
let counted = 0; // timer: the count is told to those who listen, but not each time

function tellPresence(members, others) {
  const words = ["", "only you", "you and 1 other"][members] ?? `you and ${members - 1} others`;
  const count = words && `${words} · you are #${member}`;
  if ($("count").textContent !== count) {
    $("count").textContent = count;
    clearTimeout(counted);
    if (words) counted = setTimeout(() => say(`Here: ${words}.`), 1500);
  }
  const gone = new Set(cursors.keys());
  for (const other of others) {
    gone.delete(other.member);
    placeCursor(cursors.get(other.member) ?? newCursor(other.member), other);
  }
  for (const member of gone) {
    cursors.get(member).remove();
    cursors.delete(member);
  }
}

function newCursor(member) {
  const mark = document.createElement("span");
  const label = document.createElement("b");
  label.textContent = `#${member}`;
  mark.append(label);
  // Numbers that follow each other are far from each other on the wheel of colours.
  mark.style.setProperty("--hue", String((member * 137.5) % 360));
  $("cursors").append(mark);
  cursors.set(member, mark);
  return mark;
}

function placeCursor(mark, { x, y }) {
  mark.className = `other${x > SIDE - 40 ? " right" : ""}${y > SIDE - 24 ? " low" : ""}`;
  putAt(mark, x, y);
}

function putAt(mark, x, y) {
  mark.style.left = `calc(${x + 0.5} * var(--pixel))`;
  mark.style.top = `calc(${y + 0.5} * var(--pixel))`;
}

// --- pointers ---

const hand = { x: SIDE / 2, y: SIDE / 2 }; // where we are on the grid, by whichever way
const touches = new Map(); // pointer id -> { x, y } on the window
let pinch = null; // { apart, zoom, fraction } when two fingers began

canvas.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  canvas.setPointerCapture(event.pointerId);
  if (event.pointerType === "touch") touches.set(event.pointerId, { x: event.clientX, y: event.clientY });
  if (touches.size === 2) return beginPinch();
  if (touches.size > 2 || pinch) return;
  const at = pointAt(event);
  moveHand(at.x, at.y, false);
  putDown(at.x, at.y, event.pointerId);
});

canvas.addEventListener("pointermove", (event) => {
  if (touches.has(event.pointerId)) touches.set(event.pointerId, { x: event.clientX, y: event.clientY });
  if (pinch) return movePinch();
  if (event.pointerType === "touch" && !pen) return;
  const coalesced = event.getCoalescedEvents?.() ?? [];
  const points = (coalesced.length > 0 ? coalesced : [event]).map(pointAt);
  if (pen?.pointer === event.pointerId) points.forEach(follow);
  const { x, y } = points.at(-1);
  moveHand(x, y, false);
});

function follow({ x, y, inside }) {
  if (pen.away && inside) return begin(x, y, true);
  if (!pen.away) drawTo(x, y);
  pen.away = !inside;
}

for (const name of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(name, (event) => {
    touches.delete(event.pointerId);
    if (touches.size === 0) pinch = null;
    if (pen?.pointer === event.pointerId) lift();
    if (event.pointerType === "touch") leave();
  });
}
canvas.addEventListener("pointerleave", () => pen || leave());

// The pixel under a pointer; the nearest one that is seen while it is outside.
function pointAt({ clientX, clientY }) {
  const [board, sheet] = [$("board").getBoundingClientRect(), canvas.getBoundingClientRect()];
  const x = clamp(clientX, board.left, board.right - 1);
  const y = clamp(clientY, board.top, board.bottom - 1);
  const pixel = (at) => clamp(Math.floor(at * SIDE), 0, SIDE - 1);
  return {
    x: pixel((x - sheet.left) / sheet.width),
    y: pixel((y - sheet.top) / sheet.height),
    inside: x === clientX && y === clientY,
  };
}

function beginPinch() {
  takeBack();
  leave();
  const { apart, x, y } = spread();
  pinch = { apart, zoom, fraction: fractionAt(x, y) };
}

function movePinch() {
  if (touches.size < 2) return;
  const { apart, x, y } = spread();
  zoomTo(pinch.zoom * (apart / pinch.apart), x, y, pinch.fraction);
}

// How far two fingers are from each other, and what is in the middle.
function spread() {
  const [a, b] = [...touches.values()];
  return { apart: Math.max(Math.hypot(a.x - b.x, a.y - b.y), 1), x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
}

function moveHand(x, y, byKey) {
  Object.assign(hand, { x, y });
  pointing = { x, y };
  $("mark").hidden = false;
  $("mark").classList.toggle("keyed", byKey);
  const [from, to] = reach(size);
  putAt($("mark"), x + (from + to) / 2, y + (from + to) / 2);
  $("where").textContent = `${x}, ${y}`;
  nextFrame();
}

function leave() {
  pointing = null;
  $("mark").hidden = true;
  $("where").textContent = "";
  nextFrame();
}

// --- keys ---

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
let moved = 0; // timer: where we are is told to those who listen, once we rest
let digit = { value: 0, at: -Infinity }; // for numbers of two digits

canvas.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === " " || event.key === "Enter") {
    event.preventDefault();
    moveHand(hand.x, hand.y, true);
    if (!event.repeat) putDown(hand.x, hand.y);
  } else if (STEPS[event.key]) {
    event.preventDefault();
    step(STEPS[event.key], event.shiftKey ? 10 : 1);
  }
});

function step([dx, dy], by) {
  moveHand(clamp(hand.x + dx * by, 0, SIDE - 1), clamp(hand.y + dy * by, 0, SIDE - 1), true);
  if (pen) drawTo(hand.x, hand.y);
  $("mark").scrollIntoView({ block: "nearest", inline: "nearest" });
  clearTimeout(moved);
  moved = setTimeout(() => say(`${hand.x}, ${hand.y}: ${names[grid[hand.y * SIDE + hand.x]]}`), 500);
}

canvas.addEventListener("keyup", (event) => (event.key === " " || event.key === "Enter") && lift());
canvas.addEventListener("focus", () => canvas.matches(":focus-visible") && moveHand(hand.x, hand.y, true));
canvas.addEventListener("blur", () => {
  lift();
  leave();
});

// Single letters mean something only while the focus is on the board or on its tools.
$("panes").addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
    event.preventDefault();
    return undo();
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (/^[0-9]$/.test(event.key)) return chooseDigit(Number(event.key), event.timeStamp);
  if (event.key === "[" || event.key === "]") return chooseNext(event.key === "]" ? 1 : -1);
  if (event.key === "u" || event.key === "U") return undo();
  if (event.key === "+" || event.key === "=") return zoomBy(2);
  if (event.key === "-") return zoomBy(0.5);
});

// 1 and soon after it 4 is colour 14.
function chooseDigit(value, now) {
  const both = digit.value * 10 + value;
  const chosen = now - digit.at < 800 && both < names.length ? both : value;
  digit = { value: chosen, at: now };
  choose(chosen);
}

function chooseNext(by) {
  if (names.length > 0) choose((colour + by + names.length) % names.length);
}

// --- tools ---

let colour = 6;
let size = 1; // of the pen, in pixels
let known = ""; // palette
let names = []; // of the colours
let zoom = 1;
let side = SIDE; // of the board, in CSS pixels

function takePalette(palette) {
  if (palette.join() === known) return;
  known = palette.join();
  const bytes = new Uint8Array(inks.buffer);
  const rgb = (index) => [...palette.subarray(3 * index, 3 * index + 3)];
  const colours = Array.from({ length: palette.length / 3 }, (_, index) => rgb(index));
  inks.fill(0);
  colours.forEach((rgb, index) => bytes.set([...rgb, 255], 4 * index));
  names = colours.map((rgb, index) => (index === 0 ? `eraser, ${word(rgb)}` : word(rgb)));
  $("swatches").replaceChildren(...colours.map(swatch));
  setColour(Math.min(colour, names.length - 1));
  repaint();
}

function swatch(rgb, index) {
  const label = document.createElement("label");
  const input = document.createElement("input");
  Object.assign(input, { type: "radio", name: "colour", value: String(index) });
  label.title = `${index}: ${names[index]}`;
  input.setAttribute("aria-label", label.title);
  label.style.setProperty("--colour", `rgb(${rgb.join(" ")})`);
  input.addEventListener("input", () => choose(index));
  label.append(input);
  return label;
}

function choose(index) {
  if (index >= names.length) return;
  setColour(index);
  say(`Colour ${index}: ${names[index]}`);
}

function setColour(index) {
  colour = index;
  $("swatches").children[index].firstChild.checked = true;
  $("chosen").textContent = `${index}: ${names[index]}`;
}

const HUES = "red orange yellow lime green jade turquoise azure blue violet magenta pink".split(" ");

// A colour in words, for those who do not see it.
function word([red, green, blue]) {
  const most = Math.max(red, green, blue);
  const range = most - Math.min(red, green, blue);
  const light = (2 * most - range) / 510;
  if (light > 0.97) return "white";
  if (light < 0.03) return "black";
  if (range < 16) return light > 0.5 ? "light grey" : "dark grey";
  // How far around the wheel of colours, in sixths.
  const [start, rise] = most === red ? [0, green - blue] : most === green ? [2, blue - red] : [4, red - green];
  const hue = HUES[Math.round(2 * (start + rise / range) + 12) % 12];
  return light < 0.33 ? `dark ${hue}` : light > 0.72 ? `light ${hue}` : hue;
}

// The board gets the room that the style leaves for it, in whole pixels of the screen for each of its own where that
// costs less than a fifth.
function fit() {
  const seen = fractionAt(...middle());
  $("panes").style.removeProperty("--side");
  const left = $("board").clientWidth;
  const whole = (Math.floor((left * devicePixelRatio) / SIDE) * SIDE) / devicePixelRatio;
  side = whole >= left * 0.8 ? whole : left;
  $("panes").style.setProperty("--side", `${side}px`);
  zoomTo(zoom, ...middle(), seen);
}

// The middle of an element on the window.
function middle(element = $("board")) {
  const box = element.getBoundingClientRect();
  return [box.left + box.width / 2, box.top + box.height / 2];
}

function fractionAt(x, y) {
  const box = canvas.getBoundingClientRect();
  return { x: (x - box.left) / box.width, y: (y - box.top) / box.height };
}

// Zooms so that what is at `fraction` of the picture lies at x, y of the window.
function zoomTo(wanted, x, y, fraction = fractionAt(x, y)) {
  zoom = clamp(wanted, 1, ZOOM_MAX);
  const pixel = (side * zoom) / SIDE;
  $("sheet").style.setProperty("--pixel", `${pixel}px`);
  $("sheet").classList.toggle("ruled", pixel >= RULED_FROM_PX);
  const box = $("board").getBoundingClientRect();
  $("board").scrollTo(fraction.x * side * zoom - (x - box.left), fraction.y * side * zoom - (y - box.top));
  $("zoom").textContent = `${Math.round(zoom * 10) / 10}×`;
  $("smaller").disabled = zoom === 1;
  $("larger").disabled = zoom === ZOOM_MAX;
}

// Around where we are, or else around the middle of what is seen.
function zoomBy(factor) {
  zoomTo(zoom * factor, ...middle($("mark").hidden ? $("board") : $("mark")));
}

canvas.addEventListener(
  "wheel",
  (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    zoomTo(zoom * 2 ** (-event.deltaY / 200), event.clientX, event.clientY);
  },
  { passive: false },
);

$("sizes").addEventListener("input", (event) => {
  size = Number(event.target.value);
  $("board").style.setProperty("--size", String(size));
});
$("undo").addEventListener("click", undo);
$("larger").addEventListener("click", () => zoomBy(2));
$("smaller").addEventListener("click", () => zoomBy(0.5));
$("retry").addEventListener("click", () => {
  canvas.focus();
  connect();
});
addEventListener("resize", fit);
addEventListener("online", () => state === "waiting" && connect());

// --- words ---

let standing = ""; // what holds until further notice
let noticed = 0; // timer: the notice goes

function notice(words) {
  clearTimeout(noticed);
  $("notice").textContent = words;
  $("notice").hidden = false;
  say(words);
  noticed = setTimeout(() => {
    $("notice").textContent = standing;
    $("notice").hidden = standing === "";
  }, NOTICE_MS);
}

// For those who hear the page: one polite place for all that changes.
function say(words) {
  $("said").textContent = words;
}

$("room").textContent = room;
$("picture").href = `/canvas/${room}/snapshot.png`;
$("picture").download = `${room}.png`;
$("own").href = `/canvas/${Math.random().toString(36).slice(2, 10)}`;
fit();
connect();
