// Quadra under PM2, from a checkout: `make install && .venv/bin/quadra init && pm2 start deploy/pm2/ecosystem.config.cjs`.
// Settings come from .env of the checkout. One web process: clients must come back to the process that knows them, so more of
// them want Redis, a port each and a balancer (docs/scale.md). Never `instances` or cluster mode.
const path = require("node:path");

const top = path.resolve(__dirname, "../..");
const common = {
  cwd: top,
  interpreter: "none",
  exec_mode: "fork",
  instances: 1,
  autorestart: true,
  restart_delay: 2000,
  // longer than QUADRA_DRAIN_DELAY, the last flush and its answers: what PM2 kills earlier has to be sent again
  kill_timeout: 60000,
};

module.exports = {
  apps: [
    {
      ...common,
      name: "quadra-web",
      script: path.join(top, ".venv/bin/gunicorn"),
      args: ["-c", "deploy/gunicorn.conf.py", "quadra.web:app"],
      env: { QUADRA_HOST: "127.0.0.1" },
    },
    { ...common, name: "quadra-worker", script: path.join(top, ".venv/bin/quadra"), args: ["worker"] },
  ],
};
