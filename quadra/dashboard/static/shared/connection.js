// The line to the server: joins the project, joins again with its last cursor after every gap, and says in one
// word how it is. It never computes a number; it hands on what the server said. A page gives the functions it cares for.

const ANSWER_MS = 10_000;
// While nothing arrives the server may be silent, but "active users" and "same time yesterday" still move.
const SILENCE_MS = 20_000;

const SIGNED_OUT = new Set(['unauthorised', 'unauthorized', 'forbidden', '401', '403']);

const ignore = () => {};

export function connect({
  path, project, onState, onSnapshot = ignore, onUpdate = ignore, onEvents = ignore, onCatchUp = ignore,
  onBatches = ignore, onJobs = ignore, onInsights = ignore, onTrainings = ignore, onField = ignore, onDeployment = ignore,
}) {
  const socket = window.io('/live', {
    path,
    transports: ['websocket', 'polling'],
    tryAllTransports: true,
    reconnectionDelay: 500,
    reconnectionDelayMax: 5000,
  });
  let cursor = null;
  let heardAt = 0;
  let joining = false;
  let retry = null;

  const mine = (message) => !message.project || message.project === project;

  function join() {
    if (joining || !socket.connected) return;
    joining = true;
    clearTimeout(retry);
    const request = cursor === null ? { project } : { project, cursor };
    socket.timeout(ANSWER_MS).emit('admin:join', request, (late, answer) => {
      joining = false;
      if (!socket.connected) return;
      if (late) return again('the server does not answer');
      if (!answer?.error) {
        heard(answer.snapshot);
        onState('live');
        onSnapshot(answer.snapshot, answer.latest);
        return;
      }
      const { code, message } = answer.error;
      if (SIGNED_OUT.has(String(code))) onState('signed-out', message);
      else if (code === 'not_found') onState('refused', message);
      else again(message);
    });
  }

  function again(reason) {
    onState('reconnecting', reason);
    clearTimeout(retry);
    retry = setTimeout(join, 3000);
  }

  function heard(message) {
    heardAt = Date.now();
    if (message.cursor) cursor = message.cursor;
  }

  socket.on('connect', () => {
    joining = false;
    join();
  });

  socket.on('disconnect', (reason) => {
    joining = false;
    onState('reconnecting', reason);
    // The server hung up on purpose (a restart, a log-out): the client would not come back by itself.
    if (reason === 'io server disconnect') setTimeout(() => socket.connect(), 1000);
  });

  socket.on('connect_error', (error) => {
    // "active" means the client goes on trying; otherwise the server has refused this session.
    if (socket.active) onState('reconnecting', error.message);
    else onState('signed-out', error.message);
  });

  socket.on('metrics_update', (update) => {
    if (!mine(update)) return;
    heard(update);
    onUpdate(update);
  });

  socket.on('admin:event', (message) => {
    if (mine(message)) onEvents(message.events);
  });

  socket.on('catch_up', (message) => {
    if (mine(message)) onCatchUp(message);
  });

  socket.on('batch:update', (message) => {
    if (mine(message)) onBatches(message.batches);
  });

  socket.on('job:update', (message) => {
    if (mine(message)) onJobs(message.jobs);
  });

  socket.on('training_status', (message) => {
    if (mine(message)) onTrainings(message.trainings);
  });

  socket.on('field:update', (message) => {
    if (mine(message)) onField(message.read);
  });

  socket.on('insight:new', (message) => {
    if (mine(message)) onInsights(message.insights);
  });

  socket.on('deployment:update', (message) => onDeployment(message));

  setInterval(() => {
    if (socket.connected && Date.now() - heardAt > SILENCE_MS) {
      heardAt = Date.now();
      join();
    }
  }, 1000);

  // A page that comes back from the background asks at once instead of waiting for the silence to be noticed.
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden && socket.connected && Date.now() - heardAt > 2000) join();
  });
}
