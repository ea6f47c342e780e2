// How the first event is sent, from here and there.

const event = '{"eventType": "hello", "userId": "me"}';

export const SNIPPETS = {
  page: {
    title: 'a website',
    code: (url, key) => `<script async src="${url}/q.js" data-key="${key}"></script>`,
  },
  curl: {
    title: 'a terminal',
    code: (url, key) => `curl ${url}/api/events \\\n  -H "X-Quadra-Key: ${key}" \\\n  -H "Content-Type: application/json" \\\n  -d '${event}'`,
  },
  python: {
    title: 'Python',
    code: (url, key) => `import json\nimport urllib.request\n\nrequest = urllib.request.Request(\n    "${url}/api/events",\n    data=json.dumps(${event}).encode(),\n    headers={"X-Quadra-Key": "${key}", "Content-Type": "application/json"},\n)\nprint(urllib.request.urlopen(request, timeout=10).read().decode())`,
  },
  node: {
    title: 'Node',
    code: (url, key) => `const answer = await fetch("${url}/api/events", {\n  method: "POST",\n  headers: { "X-Quadra-Key": "${key}", "Content-Type": "application/json" },\n  body: JSON.stringify({ eventType: "hello", userId: "me" }),\n});\nconsole.log(await answer.json());`,
  },
};
