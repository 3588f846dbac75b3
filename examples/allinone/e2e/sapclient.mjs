// Plays SAP with somebody else's toolkit: the npm package "soap", generated from ?wsdl.
// Usage: node sapclient.mjs ICI-URL DESK-URL
// Logs an agent on, makes it ready, receives the events of a customer's call on its own HTTP server,
// accepts, holds, retrieves, transfers to a second agent, drops and logs off.
import { createRequire } from 'node:module';
import http from 'node:http';
const require = createRequire(process.env.NODE_MODULES_FROM || import.meta.url);
const soap = require('soap');

const [ici, desk] = process.argv.slice(2);
const step = (name, extra = '') => console.log('ok ' + name + (extra ? ': ' + extra : ''));
const unescape = s => s.replace(/&lt;/g, '<').replace(/&gt;/g, '>').replace(/&quot;/g, '"').replace(/&apos;/g, "'").replace(/&amp;/g, '&');
const text = (xml, name) => { const m = new RegExp(`<(?:[\\w-]+:)?${name}(?:\\s[^>]*)?>([^<]*)</`).exec(xml); return m ? unescape(m[1]) : ''; };
const inner = (xml, name) => { const m = new RegExp(`<(?:[\\w-]+:)?${name}(?:\\s[^>]*)?>([\\s\\S]*?)</(?:[\\w-]+:)?${name}>`).exec(xml); return m ? m[1] : ''; };

// ---- SAP's side: the event end point ----
const events = [];
let wake = [];
const server = http.createServer((req, res) => {
  const parts = [];
  req.on('data', d => parts.push(d));
  req.on('end', () => {
    const xml = Buffer.concat(parts).toString('utf8');
    const name = /<(?:[\w-]+:)?Body[^>]*>\s*<(?:[\w-]+:)?(\w+)/.exec(xml)?.[1];
    events.push({ url: req.url, name, xml, appId: text(inner(xml, 'appIds'), 'item'), id: text(inner(xml, 'phoneCall'), 'id'), status: text(inner(inner(xml, 'phoneCall'), 'processingStatus'), 'id'), mode: text(inner(inner(xml, 'user'), 'currentWorkmode'), 'id') || text(inner(inner(inner(xml, 'Body'), 'user'), 'currentWorkmode'), 'id') });
    res.writeHead(200, { 'Content-Type': 'text/xml; charset=utf-8' });
    res.end(`<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Body><e:${name}Response xmlns:e="urn:IciEventInterface"><response>ok</response></e:${name}Response></S:Body></S:Envelope>`);
    for (const w of wake.splice(0)) w();
  });
});
await new Promise(r => server.listen(0, '127.0.0.1', r));
const base = `http://127.0.0.1:${server.address().port}/sap/bc/soap/ici(cz1TSUQ=)`;

async function event(what, match, ms = 60_000) {
  const until = Date.now() + ms;
  for (;;) {
    const i = events.findIndex(match);
    if (i >= 0) return events.splice(0, i + 1).pop();
    const left = until - Date.now();
    if (left <= 0) throw new Error(`no event: ${what}; got ${events.map(e => `${e.name} ${e.id} ${e.status}${e.mode}`).join(', ') || 'nothing'}`);
    await new Promise(r => { wake.push(r); setTimeout(r, left); });
  }
}

// ---- one agent in SAP ----
class Agent {
  constructor(user, appId) { this.user = user; this.appId = appId; this.appUrl = `${base}?sap-client=100&u=${user}`; this.clients = {}; }
  async call(service, operation, args) {
    let c = this.clients[service];
    if (!c) {
      c = await soap.createClientAsync(`${ici}/${service}Service/${service}Conf?wsdl`);
      c.addSoapHeader({ user: this.user, language: 'DE' }, '', 'h', 'urn:IciItemInterface');
      this.clients[service] = c;
    }
    if (!c[operation + 'Async']) throw new Error(`WSDL of ${service} has no ${operation}`);
    const [result] = await c[operation + 'Async'](args);
    return result && result.response !== undefined ? result.response : result;
  }
  userOp(op, args = {}) { return this.call('IciUser', op, { userId: this.user, ...args }); }
  phone(op, args = {}) { return this.call('IciPhoneCall', op, { userId: this.user, ...args }); }
  state(status) { return e => e.name === 'phoneCallChanged' && e.appId === this.appId && e.status === status; }
  mode(mode) { return e => e.name === 'userChanged' && e.appId === this.appId && e.mode === mode; }
  async logOn(workcenter) {
    await this.userOp('getAttributes');
    await this.call('IciUser', 'subscribe', { appId: this.appId, appUrl: this.appUrl, userId: this.user });
    await this.userOp('setCurrentWorkcenter', { workcenterId: workcenter });
    await this.userOp('setCurrentWorkmode', { workmodeId: '2' });
    await event(`${this.user} ready`, this.mode('2'));
  }
}

let failed = false;
try {
  const anna = new Agent('ANNA', 'APP-ANNA'), ben = new Agent('BEN', 'APP-BEN');
  const info = await anna.call('IciSystem', 'exchangeProductInformation', { applicationProduct: { vendor: 'SAP', product: 'CRM', version: '7.0', iciVersion: '3.06' } });
  step('hand-shake', JSON.stringify(info));
  await anna.logOn('1001;pw1001;2001');
  step('ANNA logs on and is ready');

  const r = await fetch(desk + '/sim/calls', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ from: '+41315550100', to: '5001', variables: { CV01: 'x' }, ecc: { 'user.ced': '42' } }) });
  if (r.status !== 201) throw new Error('POST /sim/calls: ' + r.status + ' ' + await r.text());
  const { callId } = await r.json();
  const offered = await event('call offered', anna.state('1'));
  const data = text(offered.xml, 'attachedData');
  if (!data.includes('<CV01>x</CV01>') || !data.includes('42')) throw new Error('attached data: ' + data);
  if (!offered.url.includes('ici(cz1TSUQ=)?sap-client=100')) throw new Error('event URL changed: ' + offered.url);
  if (!inner(offered.xml, 'remoteNumbers').includes('+41315550100')) throw new Error('remoteNumbers: ' + inner(offered.xml, 'remoteNumbers'));
  step('event with the call', `call ${callId} is ${offered.id}`);
  const phoneCallId = offered.id;

  await anna.phone('accept', { phoneCallId });
  await event('connected', anna.state('4'));
  step('accept');
  await anna.phone('hold', { phoneCallId });
  await event('held', anna.state('5'));
  step('hold');
  await anna.phone('retrieve', { phoneCallId });
  await event('connected again', anna.state('4'));
  step('retrieve');
  await anna.call('IciItem', 'setAttachedData', { itemId: phoneCallId, attachedData: '<?xml version="1.0"?><ItemAttachedData><Application id="SAP-IC"><CV02>Zürich</CV02><Account>4711 &amp; Söhne</Account></Application><Application id="other"><x>y</x></Application></ItemAttachedData>' });
  step('setAttachedData');

  await ben.logOn('1002;pw1002;2002');
  step('BEN logs on and is ready');
  await anna.phone('blindTransfer', { phoneCallId, destination: '2002' });
  const moved = await event('call offered to BEN', ben.state('1'));
  if (!inner(moved.xml, 'remoteNumbers').includes('+41315550100')) throw new Error('BEN sees ' + inner(moved.xml, 'remoteNumbers'));
  for (const part of ['<CV02>Zürich</CV02>', '<Account>4711 &amp; Söhne</Account>', '<Application id="other"><x>y</x></Application>', '42']) {
    if (!text(moved.xml, 'attachedData').includes(part)) throw new Error(`BEN misses ${part}: ` + text(moved.xml, 'attachedData'));
  }
  step('transfer with number and data', moved.id);
  await ben.phone('accept', { phoneCallId: moved.id });
  await event('BEN connected', ben.state('4'));
  await ben.phone('drop', { phoneCallId: moved.id });
  await event('BEN ended', ben.state('8'));
  step('drop');
  for (const a of [anna, ben]) {
    await a.userOp('setCurrentWorkmode', { workmodeId: '3' });
    await a.userOp('setCurrentWorkmode', { workmodeId: '1' });
    await event(a.user + ' logged off', a.mode('1'));
    await a.userOp('unsubscribe', { appId: a.appId });
  }
  step('log off');
  try {
    await anna.phone('accept', { phoneCallId: 'call-999999' });
    throw new Error('no fault');
  } catch (e) {
    const f = e.root?.Envelope?.Body?.Fault;
    if (!f) throw e;
    step('fault', `${f.detail?.errorCode} ${f.faultstring}`);
  }
} catch (e) {
  console.log('not ok ' + (e.root?.Envelope?.Body?.Fault ? JSON.stringify(e.root.Envelope.Body.Fault) : e.stack));
  failed = true;
}
server.closeAllConnections();
server.close();
process.exit(failed ? 1 : 0);
