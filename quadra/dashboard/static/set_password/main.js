// Sends the chosen password with what stands behind the `#` of the link. No cookie is needed: who has the link may choose.

const form = document.getElementById('choose');
const problem = document.getElementById('problem');

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const button = form.querySelector('button');
  button.disabled = true;
  problem.hidden = true;
  try {
    const answer = await fetch('/api/auth/password-link', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ token: location.hash.slice(1), new_password: form.elements.new_password.value }),
    });
    const body = await answer.json();
    if (!answer.ok) throw new Error(body.error.message);
    location.replace('/login');
  } catch (error) {
    problem.textContent = error.message;
    problem.hidden = false;
    button.disabled = false;
  }
});
