// How the first event is sent, from here and there.

const event = '{"eventType": "hello", "userId": "me"}';
const tag = (url, key) => `<script async src="${url}/q.js" data-key="${key}"></script>`;
const fetched = (url, key) => `const answer = await fetch("${url}/api/events", {
  method: "POST",
  headers: { "X-Quadra-Key": "${key}", "Content-Type": "application/json" },
  body: JSON.stringify({ eventType: "hello", userId: "me" }),
});
console.log(await answer.json());`;
const posted = (url, key) => `import json
import urllib.request

def tell_quadra(event):
    request = urllib.request.Request(
        "${url}/api/events",
        data=json.dumps(event).encode(),
        headers={"X-Quadra-Key": "${key}", "Content-Type": "application/json"},
    )
    return urllib.request.urlopen(request, timeout=10).read().decode()`;

/** `where`: the file that the code goes into, where it is one. */
export const SNIPPETS = {
  page: { title: 'a website', where: 'In the head of each page. Page views come by themselves.', code: tag },
  next: {
    title: 'Next.js',
    where: 'app/layout.tsx. Page views come by themselves, also where the router changes the page.',
    code: (url, key) => `import Script from "next/script";

export default function RootLayout({ children }) {
  return (
    <html lang="en">
      <body>
        {children}
        <Script src="${url}/q.js" data-key="${key}" strategy="afterInteractive" />
      </body>
    </html>
  );
}`,
  },
  react: {
    title: 'React',
    where: 'The tag goes into index.html, the rest wherever something happens.',
    code: (url, key) => `${tag(url, key)}

export function Greeting() {
  return <button onClick={() => window.quadra?.("hello", { from: "React" })}>Hello</button>;
}`,
  },
  vue: {
    title: 'Vue',
    where: 'The tag goes into index.html, the rest wherever something happens.',
    code: (url, key) => `${tag(url, key)}

<script setup>
const greet = () => window.quadra?.("hello", { from: "Vue" });
</script>

<template><button @click="greet">Hello</button></template>`,
  },
  node: { title: 'Node', where: 'hello.mjs', code: fetched },
  python: { title: 'Python', where: 'hello.py', code: (url, key) => `${posted(url, key)}\n\nprint(tell_quadra(${event}))` },
  flask: {
    title: 'Flask',
    where: 'app.py. A thread tells Quadra, so that no visitor waits for it.',
    code: (url, key) => `from threading import Thread

from flask import Flask, request
${posted(url, key)}

app = Flask(__name__)

@app.after_request
def count(response):
    event = {"kind": "request", "method": request.method, "endpoint": request.path, "status_code": response.status_code}
    Thread(target=tell_quadra, args=(event,)).start()
    return response`,
  },
  django: {
    title: 'Django',
    where: 'quadra_middleware.py, and its name "quadra_middleware.count" at the end of MIDDLEWARE.',
    code: (url, key) => `from threading import Thread
${posted(url, key)}

def count(get_response):
    def answer(request):
        response = get_response(request)
        event = {"kind": "request", "method": request.method, "endpoint": request.path, "status_code": response.status_code}
        Thread(target=tell_quadra, args=(event,)).start()
        return response
    return answer`,
  },
  curl: {
    title: 'a terminal',
    where: '',
    code: (url, key) => `curl ${url}/api/events \\\n  -H "X-Quadra-Key: ${key}" \\\n  -H "Content-Type: application/json" \\\n  -d '${event}'`,
  },
};
