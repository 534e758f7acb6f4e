/* What the pages do when JavaScript runs. Every page works without it. */
(() => {
  'use strict';
  const lang = document.documentElement.lang;

  const copyText = async (text) => {
    if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
    /* a shop on a plain http address has no clipboard API */
    const area = document.createElement('textarea');
    area.value = text;
    area.setAttribute('readonly', '');
    area.className = 'sr';
    document.body.append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    if (!done) throw new Error('copy refused');
  };

  const selectBeside = (button) => {
    const beside = button.parentElement.querySelector('pre, code');
    if (beside) window.getSelection().selectAllChildren(beside);
  };

  for (const button of document.querySelectorAll('[data-copy]')) {
    button.hidden = false;
    const label = button.querySelector('span');
    const name = label.textContent;
    button.addEventListener('click', async () => {
      try {
        await copyText(button.dataset.copy);
      } catch {
        selectBeside(button);
        return;
      }
      label.textContent = button.dataset.done;
      button.classList.add('is-done');
      setTimeout(() => { label.textContent = name; button.classList.remove('is-done'); }, 1600);
    });
  }

  /* Too many ordered at once: the same form goes out again when the shop said so. */
  for (const form of document.querySelectorAll('form[data-again]')) {
    const said = form.querySelector('[hidden]');
    const left = said.querySelector('strong');
    const end = performance.now() + 1000 * Number(form.dataset.again);
    said.hidden = false;
    const tick = setInterval(() => {
      const seconds = Math.max(0, Math.ceil((end - performance.now()) / 1000));
      left.textContent = seconds;
      if (seconds > 0) return;
      clearInterval(tick);
      form.submit();
    }, 250);
    form.addEventListener('submit', () => clearInterval(tick));
  }

  /* The server says how many seconds are left, at first and now and then, so that a wrong clock or a nap of the phone does no harm. */
  const clocks = [...document.querySelectorAll('[data-countdown]')].map((place) => {
    const clock = document.createElement('strong');
    clock.className = 'countdown';
    clock.setAttribute('aria-hidden', 'true');
    place.after(' ', clock);
    let end = performance.now() + 1000 * Number(place.dataset.countdown);
    const tick = () => {
      const left = Math.max(0, Math.round((end - performance.now()) / 1000));
      clock.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')}`;
      clock.classList.toggle('is-short', left < 60);
      if (left > 0) return;
      clearInterval(timer);
      setTimeout(() => location.reload(), 2000);
    };
    const timer = setInterval(tick, 1000);
    tick();
    return (left) => { end = performance.now() + 1000 * left; };
  });
  const setLeft = (left) => { if (left > 0) for (const set of clocks) set(left); };

  /* A page that waits is told when its order moved; where that does not work it asks, ever more seldom. */
  for (const place of document.querySelectorAll('[data-live]')) {
    let source = null;
    let timer = 0;
    let quiet = 0;
    let wait = 3000;
    let isGone = false;
    const turn = () => {
      if (isGone) return;
      isGone = true;
      if (source) source.close();
      location.replace(place.dataset.page);
    };
    const ask = async () => {
      clearTimeout(timer);
      try {
        const answer = await fetch(place.dataset.status, { cache: 'no-store' });
        if (answer.status === 200) { turn(); return; }
        setLeft(Number(answer.headers.get('kashop-left')));
      } catch { /* the network is away: ask again */ }
      if (source || isGone) return;
      timer = setTimeout(ask, wait);
      wait = Math.min(10000, wait * 1.2);
    };
    const giveUp = () => {
      clearTimeout(quiet);
      if (source) source.close();
      source = null;
      ask();
    };
    /* a proxy that holds answers back opens the line and lets nothing through */
    const expect = (ms) => { clearTimeout(quiet); quiet = setTimeout(giveUp, ms); };
    const listen = () => {
      if (!window.EventSource) { ask(); return; }
      source = new EventSource(place.dataset.live);
      source.addEventListener('moved', turn);
      source.addEventListener('left', (event) => { expect(40000); setLeft(Number(event.data)); });
      source.addEventListener('error', () => { if (source && source.readyState === EventSource.CLOSED) giveUp(); });
      expect(8000);
    };
    /* after a nap, or when it is shown again out of the browser's memory, the page may be long out of date */
    document.addEventListener('visibilitychange', () => { if (!document.hidden) { wait = 3000; ask(); } });
    window.addEventListener('pageshow', (event) => { if (event.persisted) ask(); });
    window.addEventListener('online', ask);
    listen();
  }

  /* a place in the line is taken by itself when its turn has come */
  for (const turn of document.querySelectorAll('[data-turn]')) {
    setTimeout(() => turn.closest('form').submit(), 1000 * Number(turn.dataset.turn) + 500);
  }

  const form = document.querySelector('[data-checkout]');
  if (!form) return;

  /* One form is one order however often it is sent, by its key. A page out of the browser's own memory brings the key it had, so each
     opening makes a new one, and going back to a form brings its own back. The cookie says so: only then is a page called unchanged. */
  const key = form.elements.idempotency_key;
  if (key) {
    const isBack = performance.getEntriesByType('navigation')[0]?.type === 'back_forward';
    const bytes = crypto.getRandomValues(new Uint8Array(18));
    key.value = (isBack && history.state?.key) || btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_');
    history.replaceState({ ...history.state, key: key.value }, '');
    document.cookie = 'kashop_keys=1; path=/p; samesite=lax' + (location.protocol === 'https:' ? '; secure' : '');
  }

  const quantity = form.elements.quantity;
  const total = form.querySelector('[data-total]');
  const amount = form.querySelector('[data-total-text]');
  const fee = form.querySelector('[data-total-fee]');
  const money = new Intl.NumberFormat(lang, { style: 'currency', currency: amount.dataset.currency });
  const unit = 10 ** money.resolvedOptions().maximumFractionDigits;

  const chosenSku = () => form.querySelector('input[name=sku]:checked, input[name=sku][type=hidden]');
  const priceOf = (sku, count) => {
    let price = Number(sku.dataset.price);
    for (const tier of sku.dataset.tiers.trim().split(' ').filter(Boolean)) {
      const [from, each] = tier.split(':').map(Number);
      if (count >= from) price = each;
    }
    return price;
  };
  /* Ways to pay that do not take this total cannot be chosen; what the chosen one takes on top. The server decides all the same. */
  const showPayments = (goods) => {
    let charge = 0;
    for (const way of form.querySelectorAll('input[name=payment]')) {
      const [least, most] = way.dataset.bounds.split(':').map(Number);
      way.disabled = goods < least || (most > 0 && goods > most);
      way.parentElement.classList.toggle('is-out', way.disabled);
      const [bp, fixed] = way.dataset.fee.split(':').map(Number);
      if (way.checked && !way.disabled && goods) charge = Math.ceil((goods * bp) / 10000) + fixed;
    }
    return charge;
  };
  const showTotal = () => {
    const sku = chosenSku();
    const count = Number(quantity.value);
    total.hidden = !sku || !Number.isInteger(count) || count < 1;
    if (total.hidden) return;
    const goods = priceOf(sku, count) * count;
    const charge = showPayments(goods);
    amount.textContent = money.format((goods + charge) / unit);
    fee.hidden = !charge;
    fee.lastElementChild.textContent = money.format(charge / unit);
    let reached = null;
    for (const row of form.querySelectorAll('tr[data-from]')) {
      row.classList.remove('is-reached');
      if (row.dataset.sku === sku.value && count >= Number(row.dataset.from)) reached = row;
    }
    if (reached) reached.classList.add('is-reached');
  };

  for (const step of form.querySelectorAll('[data-step]')) {
    step.hidden = false;
    step.addEventListener('click', () => {
      const next = (Number(quantity.value) || 0) + Number(step.dataset.step);
      quantity.value = Math.min(Number(quantity.max), Math.max(Number(quantity.min), next));
      showTotal();
    });
  }
  form.addEventListener('input', showTotal);
  form.addEventListener('submit', () => {
    /* after the browser has gathered the form; the server makes one order of two clicks anyway */
    const button = form.querySelector('.button-main');
    setTimeout(() => { button.disabled = true; }, 0);
    window.addEventListener('pageshow', (event) => { if (event.persisted) button.disabled = false; }, { once: true });
  });
  showTotal();
})();
