/* Works through the challenge of the form [data-proof] with ALTCHA's worker, on as many cores as there are but one, and posts it. */
(() => {
  'use strict';
  const form = document.querySelector('form[data-proof]');
  if (!form || !form.dataset.challenge) return;
  const challenge = JSON.parse(form.dataset.challenge);
  const bar = form.querySelector('progress');
  const say = (name) => {
    for (const part of form.querySelectorAll('[data-when]')) part.hidden = part.dataset.when !== name;
  };
  /* crypto.subtle is there on https and on localhost alone; without it, the line */
  if (!window.Worker || !window.crypto || !window.crypto.subtle) { say('cannot'); return; }

  const count = Math.max(1, Math.min(8, (navigator.hardwareConcurrency || 2) - 1));
  const here = document.currentScript.src;
  const workers = [];
  const started = performance.now();
  let isDone = false;
  const stop = () => { isDone = true; for (const worker of workers) worker.terminate(); };
  const fail = () => { if (isDone) return; stop(); say('cannot'); };

  const show = () => {
    if (isDone) return;
    /* the work is drawn evenly: the bar runs to what is usual on this many cores, and slows down behind it */
    const usual = Number(form.dataset.seconds) / Math.min(count, 4);
    const passed = (performance.now() - started) / 1000;
    bar.value = 1 - Math.exp((-1.6 * passed) / Math.max(0.5, usual));
    setTimeout(show, 100);
  };
  const finish = (solution) => {
    if (isDone || !solution || solution.error) return;
    stop();
    bar.value = 1;
    const answer = JSON.stringify({ challenge, solution });
    form.elements.proof.value = btoa(String.fromCharCode(...new TextEncoder().encode(answer)));
    form.submit();
  };

  say('works');
  show();
  for (let i = 0; i < count; i += 1) {
    const worker = new Worker(here.replace(/proof\.js$/, 'pbkdf2.js'));
    worker.addEventListener('message', (event) => {
      if (event.data && event.data.error) fail(); else finish(event.data);
    });
    worker.addEventListener('error', fail);
    worker.postMessage({ type: 'work', challenge, counterStart: i, counterStep: count, timeout: 0 });
    workers.push(worker);
  }
  /* back out of the browser's memory: the challenge may be spent */
  window.addEventListener('pageshow', (event) => { if (event.persisted) location.reload(); });
})();
