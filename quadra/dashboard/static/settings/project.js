// A project: its name, its time zone, the start of its week; and another project.

import { el } from '../shared/elements.js';
import { tell } from '../shared/notices.js';
import { send } from '../shared/rest.js';
import { onSubmit, project, showOnce } from './forms.js';

document.getElementById('zones').append(...(Intl.supportedValuesOf?.('timeZone') ?? []).map((zone) => el('option', { value: zone })));

onSubmit(document.getElementById('project-form'), async ({ name, timezone, week_start: week }) => {
  const body = { name: name.value, timezone: timezone.value, week_start: week.value };
  const changed = await send(`/api/projects/${encodeURIComponent(project)}`, { method: 'PATCH', body });
  document.getElementById('project-title').textContent = changed.project.name;
  tell(true, 'The project is saved.');
});

onSubmit(document.getElementById('new'), async ({ name }) => {
  const made = await send('/api/projects', { method: 'POST', body: { name: name.value } });
  await showOnce(`The write key of ${made.name}`, 'It is shown only now. Keep it where your program reads it.', made.write_key);
  location.assign(`/settings/project?project=${encodeURIComponent(made.slug)}`);
});
