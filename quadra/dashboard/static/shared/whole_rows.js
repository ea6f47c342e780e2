// A list that scrolls ends below a whole row: one that is cut in half reads as a fault.

const ROWS = 'tr, li:not(li li)';
const LEAST_SHARE = 0.6;

/** Lowers the greatest height of `place`, which its style sheet gives, to the end of the last row that is whole. */
export function wholeRows(place) {
  function fit() {
    place.style.maxHeight = '';
    const { clientHeight: room, scrollHeight, offsetHeight } = place;
    if (room === 0 || scrollHeight <= room) return;
    const top = place.getBoundingClientRect().top + place.clientTop - place.scrollTop;
    let end = 0;
    for (const row of place.querySelectorAll(ROWS)) {
      const bottom = row.getBoundingClientRect().bottom - top;
      if (bottom > room) break;
      end = bottom;
    }
    if (end > LEAST_SHARE * room) place.style.maxHeight = `${Math.floor(end + offsetHeight - room)}px`;
  }

  let width = 0;
  new MutationObserver(fit).observe(place, { childList: true, subtree: true });
  new ResizeObserver(() => {
    if (place.clientWidth === width) return;
    width = place.clientWidth;
    fit();
  }).observe(place);
}
