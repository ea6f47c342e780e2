// Shows what became of Quadra, every half minute while somebody looks. What is focused stays as it is. Where no answer comes the
// page says so: what it shows is then from before.

const EVERY_MS = 30_000;
const place = document.getElementById('status');
const silent = document.getElementById('silent');
let answered = new Date();

async function page() {
  const answer = await fetch(location.href, { headers: { Accept: 'text/html' }, signal: AbortSignal.timeout(EVERY_MS) });
  const found = new DOMParser().parseFromString(await answer.text(), 'text/html').getElementById('status');
  if (found === null) throw new Error(`Quadra answered with status ${answer.status}.`);
  return found;
}

async function look() {
  if (document.hidden || place.contains(document.activeElement)) return;
  try {
    place.replaceChildren(...(await page()).childNodes);
    answered = new Date();
    silent.hidden = true;
  } catch (error) {
    silent.textContent = `No new answer from Quadra since ${answered.toLocaleTimeString('en-GB')}; below is what it said then. ${error.message}`;
    silent.hidden = false;
  }
}

setInterval(look, EVERY_MS);
