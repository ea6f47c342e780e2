// Opens Swagger UI over this server's description. Swagger UI is told not to ask its makers whether the description is valid.

globalThis.SwaggerUIBundle({
  url: '/api/openapi.json',
  dom_id: '#api',
  deepLinking: true,
  docExpansion: 'none',
  defaultModelsExpandDepth: 0,
  filter: true,
  validatorUrl: null,
  persistAuthorization: false,
  syntaxHighlight: { activated: false },
  // the page around it has a main part already
  onComplete: () => document.getElementById('operations')?.setAttribute('role', 'presentation'),
});

const system = matchMedia('(prefers-color-scheme: dark)');

function follow() {
  const chosen = document.documentElement.dataset.theme;
  document.documentElement.classList.toggle('dark-mode', chosen ? chosen === 'dark' : system.matches);
}

system.addEventListener('change', follow);
follow();
