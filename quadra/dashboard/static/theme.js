// Sets the chosen colours before the first paint, so a dark page never flashes white.
// A classic script on purpose: a module would run too late. It must stay tiny.
(function () {
  var root = document.documentElement;
  root.classList.add('js');
  try {
    var chosen = localStorage.getItem('quadra-theme');
    if (chosen === 'light' || chosen === 'dark') root.dataset.theme = chosen;
  } catch (error) {
    // Storage can be forbidden; then the system's colours hold.
  }
})();
