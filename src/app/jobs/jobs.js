// Keeps the page up to date: asks for it again, and puts each part that is marked as live in the place of the old one. A part in
// which somebody is at work with the keyboard stays as it is. Without this file the page is the same, and stands still.

const PERIOD_MS = 2000;

async function renew() {
  if (document.hidden) return;
  const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const old of document.querySelectorAll("[data-live]")) {
    const fresh = page.getElementById(old.id);
    if (fresh && fresh.innerHTML !== old.innerHTML && !old.contains(document.activeElement)) {
      old.replaceWith(fresh);
    }
  }
}

async function keep() {
  try {
    await renew();
  } catch {
    // The server is away: the next time, perhaps.
  }
  setTimeout(keep, PERIOD_MS);
}

setTimeout(keep, PERIOD_MS);
