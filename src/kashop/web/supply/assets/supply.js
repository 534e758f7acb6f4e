/* The suppliers' page: a key that stays in this browser, codes that leave it only sealed. */
(() => {
  'use strict';
  const { kashopSeal: box, kashopCodes: reader } = window;
  const main = document.getElementById('main');
  const byId = (id) => document.getElementById(id);
  const shopId = main.dataset.shop;
  const PLACE = `kashop.supplier.${shopId}`, JOIN = `kashop.join.${shopId}`;
  const API = '/api/v1/supply';
  let key = null, shop = null, records = null, polls = 0;

  const fill = (root, values) => {
    for (const [name, value] of Object.entries(values)) {
      for (const spot of root.querySelectorAll(`[data-fill="${name}"]`)) spot.textContent = value;
    }
  };
  const word = (kind, name) => document.querySelector(`#words [data-${kind}="${CSS.escape(name)}"]`)?.textContent;
  const show = (...ids) => {
    for (const id of ['no-key', 'join', 'offered', 'send', 'sent', 'key']) byId(id).hidden = !ids.includes(id);
  };
  const complain = (code, number = '') => {
    fill(byId('trouble'), { trouble: word('said', code) || word('said', 'other'), number });
    byId('trouble').hidden = false;
    byId('trouble').scrollIntoView({ block: 'nearest' });
  };
  const calm = () => { byId('trouble').hidden = true; };

  const ask = async (path, options = {}) => {
    const headers = { ...options.headers };
    if (key?.supplier && !options.method) headers.authorization = `Bearer ${box.callToken(key)}`;
    let answer;
    try {
      answer = await fetch(API + path, { ...options, headers, credentials: 'omit', cache: 'no-store' });
    } catch {
      throw { code: 'unreachable' };
    }
    const told = await answer.json().catch(() => ({}));
    if (!answer.ok) throw { code: told.code || 'other', number: `${answer.status} · ${told.code || ''} · ${told.request_id || ''}` };
    return told;
  };
  const trying = (work) => async (event) => {
    event?.preventDefault();
    calm();
    try {
      await work(event);
    } catch (problem) {
      if (!problem.code) throw problem;
      complain(problem.code, problem.number);
    }
  };

  /* ---- the key ---- */
  const stored = () => {
    try {
      const found = JSON.parse(localStorage.getItem(PLACE));
      return found && box.isSeed(found.seed) && found.supplier ? found : null;
    } catch {
      return null;
    }
  };
  const keep = (made) => {
    key = made;
    localStorage.setItem(PLACE, JSON.stringify(made));
  };
  const make = async () => {
    const seed = box.newSeed(), token = sessionStorage.getItem(JOIN);
    const body = JSON.stringify(box.registration(seed, token));
    const told = await ask('/keys', { method: 'POST', body, headers: { 'content-type': 'application/json' } });
    keep({ kashop: 'supplier-key', version: 1, url: location.origin, shop: told.shop, supplier: told.supplier, seed });
    sessionStorage.removeItem(JOIN);
    await refresh();
  };
  const load = async (event) => {
    const [file] = event.target.files;
    event.target.value = '';
    let found = null;
    try {
      found = JSON.parse(await file.text());
    } catch { /* told below */ }
    if (found?.kashop !== 'supplier-key' || found.shop !== shopId || !box.isSeed(found.seed)) throw { code: 'bad_key_file' };
    keep(found);
    await refresh();
  };
  const save = (name, value) => {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([JSON.stringify(value, null, 2)], { type: 'application/json' }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };
  const forget = () => {
    if (!window.confirm(byId('words').dataset.forget)) return;
    localStorage.removeItem(PLACE);
    key = null;
    start();
  };

  /* ---- what the shop says ---- */
  const refresh = async () => {
    const mark = box.grouped(box.fingerprintOf(key.seed));
    fill(main, { fingerprint: mark });
    shop = await ask('/key');
    if (shop.status !== 'confirmed') {
      show('offered');
      return;
    }
    fill(byId('key'), { supplier: shop.supplier_name, 'shop-key': box.grouped(shop.import_key) });
    const chosen = byId('sku').value;
    byId('sku').replaceChildren(...shop.products.flatMap((product) => product.skus.map((sku) => {
      const label = sku.name ? `${product.name} · ${sku.name}` : product.name;
      return new Option(label, `${product.product}/${sku.sku}`, false, `${product.product}/${sku.sku}` === chosen);
    })));
    show('send', 'sent', 'key');
    await list();
  };
  const list = async () => {
    const { batches } = await ask('/sent');
    byId('sent').hidden = !batches.length;
    byId('sent').querySelector('tbody').replaceChildren(...batches.map((batch) => {
      const row = byId('row').content.firstElementChild.cloneNode(true);
      const time = new Date(batch.received_at);
      fill(row, { ...shown(batch), time: time.toLocaleString(document.documentElement.lang, { dateStyle: 'short', timeStyle: 'short' }), product: batch.product_name, count: batch.count });
      row.querySelector('.state').classList.add(`is-${batch.status}`);
      return row;
    }));
  };
  const shown = (batch) => {
    const is = batch.status === 'done';
    const reason = batch.reason ? word('said', `batch_${batch.reason}`) || batch.reason : '';
    return { state: word('state', batch.status), new: is ? batch.new : '—', duplicates: is ? batch.duplicates : '—', bad: is ? batch.bad : '—', reason };
  };

  /* ---- a batch ---- */
  const codes = () => {
    if (!records) return reader.lines(byId('codes').value);
    if (!records.length || !Array.isArray(records[0])) return records;
    const columns = Array.from(document.querySelectorAll('#columns .ticks input:checked'), (input) => Number(input.value));
    return reader.join(byId('heading').checked ? records.slice(1) : records, columns);
  };
  const count = () => {
    const found = codes();
    byId('found').hidden = !found.length;
    const repeats = found.length - new Set(found).size;
    byId('repeats').hidden = !repeats;
    fill(byId('found'), { count: found.length, repeats });
  };
  const choose = async (event) => {
    const [file] = event.target.files;
    records = null;
    byId('columns').hidden = true;
    byId('codes').disabled = Boolean(file);
    if (file) {
      const text = reader.decode(new Uint8Array(await file.arrayBuffer()));
      if (text === null) {
        event.target.value = '';
        byId('codes').disabled = false;
        throw { code: 'unreadable_file' };
      }
      const mark = /\.(csv|tsv)$/i.test(file.name) ? reader.separatorOf(text) : '';
      records = mark ? reader.table(text, mark) : reader.lines(text);
      if (mark) offerColumns();
    }
    count();
  };
  const offerColumns = () => {
    byId('heading').checked = reader.isHeading(records[0]);
    byId('columns').querySelector('.ticks').replaceChildren(...records[0].map((name, n) => {
      const label = document.createElement('label'), input = document.createElement('input');
      Object.assign(input, { type: 'checkbox', value: n, checked: true });
      label.className = 'tick-one';
      label.append(input, ` ${byId('heading').checked && name ? name : n + 1}`);
      return label;
    }));
    byId('columns').hidden = false;
  };
  const send = async () => {
    const found = codes();
    if (!found.length) throw { code: 'no_rows' };
    if (found.length > Number(main.dataset.mostRows)) throw { code: 'too_many_rows' };
    const [product, sku] = byId('sku').value.split('/');
    working(true);
    try {
      await new Promise((resolve) => { setTimeout(resolve, 30); }); // let the word be drawn before the sealing
      const file = box.seal(found, key, shop, { product, sku });
      if (file.length > Number(main.dataset.mostBytes)) throw { code: 'too_many_rows' };
      const headers = { 'content-type': 'application/octet-stream' };
      report(await ask('/batches', { method: 'POST', body: file, headers }));
      clear();
      await list();
    } finally {
      working(false);
    }
  };
  const working = (is) => {
    byId('go').disabled = is;
    byId('working').hidden = !is;
  };
  const clear = () => {
    for (const id of ['codes', 'file']) byId(id).value = '';
    byId('codes').disabled = false;
    byId('columns').hidden = true;
    records = null;
    count();
  };
  const report = (batch) => {
    const card = byId('result');
    card.className = `card is-${batch.status === 'refused' ? 'bad' : 'good'}`;
    fill(card, shown(batch));
    card.querySelector('.tiles').hidden = batch.status !== 'done';
    card.hidden = false;
    if (batch.status === 'waiting' && polls < 60) {
      polls += 1;
      setTimeout(trying(async () => {
        report(await ask(`/batches/${batch.batch}`));
        await list();
      }), 5000);
    } else polls = 0;
  };

  /* ---- begin ---- */
  const start = () => {
    byId('result').hidden = true;
    key = stored();
    const isInvited = Boolean(sessionStorage.getItem(JOIN));
    byId('replaces').hidden = byId('keep').hidden = !key;
    if (isInvited) show('join');
    else if (key) trying(refresh)();
    else show('no-key');
  };
  const arrive = () => {
    const link = /^#join=([\w-]{1,64})$/.exec(location.hash);
    if (link) {
      sessionStorage.setItem(JOIN, link[1]);
      history.replaceState(null, '', location.pathname + location.search);
    }
    calm();
    start();
  };
  byId('make').addEventListener('click', trying(make));
  byId('keep').addEventListener('click', () => { sessionStorage.removeItem(JOIN); start(); });
  byId('forget').addEventListener('click', forget);
  byId('save-shop').addEventListener('click', () => save('shop-key.json', shop));
  byId('send').addEventListener('submit', trying(send));
  byId('file').addEventListener('change', trying(choose));
  for (const kind of ['input', 'change']) {
    byId('codes').addEventListener(kind, count);
    byId('columns').addEventListener(kind, count);
  }
  for (const button of document.querySelectorAll('[data-check]')) button.addEventListener('click', trying(refresh));
  for (const button of document.querySelectorAll('[data-save]')) button.addEventListener('click', () => save('supplier.key', key));
  for (const input of document.querySelectorAll('[data-load]')) input.addEventListener('change', trying(load));
  window.addEventListener('hashchange', arrive);
  arrive();
})();
