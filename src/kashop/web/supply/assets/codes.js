/* Lines of codes out of what was pasted, or out of a file in any of the encodings that stock comes in. */
(() => {
  'use strict';
  const HEADS = /卡号|密码|卡密|兑换|序列|激活|帐号|账号|^(card|code|pin|key|no|account|user|pass|serial|licen[cs]e)/i;

  /* Text of a file, or null when it is none. */
  const decode = (bytes) => {
    const encodings = bytes[0] === 0xff && bytes[1] === 0xfe ? ['utf-16le']
      : bytes[0] === 0xfe && bytes[1] === 0xff ? ['utf-16be'] : ['utf-8', 'gb18030'];
    for (const encoding of encodings) {
      try {
        const text = new TextDecoder(encoding, { fatal: true }).decode(bytes);
        if (!text.includes('\0')) return text;
      } catch { /* not this one */ }
    }
    return null;
  };

  const lines = (text) => text.split(/\r\n|\n|\r/).map((line) => line.trim()).filter(Boolean);

  /* Records of a table (RFC 4180). */
  const table = (text, separator) => {
    const records = [];
    let record = [], cell = '', quoted = false;
    const end = () => {
      record.push(cell.trim());
      if (record.some(Boolean)) records.push(record);
      record = [];
      cell = '';
    };
    for (let at = 0; at < text.length; at += 1) {
      const c = text[at];
      if (quoted) {
        if (c !== '"') cell += c;
        else if (text[at + 1] === '"') { cell += '"'; at += 1; } else quoted = false;
      } else if (c === '"' && !cell.trim()) { quoted = true; cell = ''; }
      else if (c === separator) { record.push(cell.trim()); cell = ''; }
      else if (c === '\n' || c === '\r') end();
      else cell += c;
    }
    end();
    return records;
  };

  /* The separator that the first lines agree about; '' when they are no table. */
  const separatorOf = (text) => {
    const first = lines(text.slice(0, 20000)).slice(0, 5);
    const agreed = ['\t', ',', ';', '|'].find((mark) => first.every((line) => line.includes(mark)));
    return first.length && agreed ? agreed : '';
  };

  const isHeading = (record) => record.some((cell) => HEADS.test(cell));
  const join = (records, columns) => records.map((record) => columns.map((n) => record[n] || '').join('----'))
    .filter((code) => code.replaceAll('----', '').trim());
  window.kashopCodes = { decode, lines, table, separatorOf, isHeading, join };
})();
