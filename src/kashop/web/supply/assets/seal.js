/* A supplier's key and the sealed batch file, version 1: docs/reference/sealed-batch.md. Nothing here touches the page. */
(() => {
  'use strict';
  const { nacl, sealedBox } = window;
  const utf8 = (text) => new TextEncoder().encode(text);

  const joined = (...parts) => {
    const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  };
  const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  const base64 = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''))
    .replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
  const unbase64 = (text) => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));

  const pairOf = (seed) => nacl.sign.keyPair.fromSeed(unbase64(seed));
  const signed = (seed, message) => base64(nacl.sign.detached(message, pairOf(seed).secretKey));
  const fingerprint = (publicKey) => hex(nacl.hash(publicKey)).slice(0, 24);
  const grouped = (name) => (name.match(/.{4}/g) || []).join(' ');

  /* What a new key's holder shows to the shop. */
  const registration = (seed, token) => {
    const key = base64(pairOf(seed).publicKey);
    return { token, public_key: key, proof: signed(seed, utf8(`kashop/supply-join/v1\0${token}\n${key}`)) };
  };

  /* A Bearer token for an hour. */
  const callToken = (key) => {
    const seconds = Math.floor(Date.now() / 1000);
    return `${key.supplier}.${seconds}.${signed(key.seed, utf8(`kashop/supply-call/v1\0${key.shop}\n${key.supplier}\n${seconds}`))}`;
  };

  /* The whole file. The names of the manifest stand in their order, so that its JSON is the one spelling. */
  const seal = (codes, key, shop, place) => {
    const rows = utf8(codes.map((code) => `${JSON.stringify({ code })}\n`).join(''));
    const body = sealedBox.seal(rows, unbase64(shop.import_public_key));
    const manifest = utf8(JSON.stringify({
      batch: hex(nacl.randomBytes(16)),
      body_bytes: body.length,
      body_sha512: hex(nacl.hash(body)),
      count: codes.length,
      created_at: `${new Date().toISOString().slice(0, 19)}Z`,
      import_key: shop.import_key,
      product: place.product,
      shop: shop.shop,
      sku: place.sku,
      supplier: shop.supplier,
      version: 1,
    }));
    const message = joined(utf8('kashop/sealed-batch/v1\0'), nacl.hash(manifest));
    return joined(utf8('kashop-sealed-batch 1\n'), manifest, utf8(`\n${signed(key.seed, message)}\n`), body);
  };

  const newSeed = () => base64(nacl.randomBytes(32));
  const fingerprintOf = (seed) => fingerprint(pairOf(seed).publicKey);
  const isSeed = (seed) => typeof seed === 'string' && /^[A-Za-z0-9_-]{43}$/.test(seed);
  window.kashopSeal = { newSeed, isSeed, fingerprintOf, grouped, registration, callToken, seal };
})();
