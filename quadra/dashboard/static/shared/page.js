// Which page an address is of, wherever one is shown: the path without its query, with the route in its hash, as lenses name it.

const PATH = /^(?:(?:[a-z][a-z0-9+.-]*:)?\/\/[^/?#]*)?([^?#]*)/i;
const ROUTE = /^[^#]*(#!?\/[^?]*)/;

export const pageOf = (url) => (PATH.exec(url)[1] || '/') + (ROUTE.exec(url)?.[1] ?? '');
