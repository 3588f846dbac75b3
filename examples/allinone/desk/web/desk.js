'use strict';
// The page shows what the server pushes and sends one request for each act.
// Text from outside is only ever set as textContent.

const $ = (s, r = document) => r.querySelector(s);
const state = { agents: [], calls: [], cti: { sides: [] }, stores: [] };
let chosen = null;            // agent id of the chosen desk
const desks = new Map();      // agent id -> desk element
const presence = new Map();   // agent id -> rows of the last search

function el(tag, props = {}, ...kids) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(props)) {
    if (k === 'class') e.className = v;
    else if (k.startsWith('on')) e.addEventListener(k.slice(2), v);
    else if (k in e && k !== 'list') e[k] = v;
    else e.setAttribute(k, v);
  }
  e.append(...kids.filter(k => k !== null && k !== undefined && k !== ''));
  return e;
}

let toastTimer;
function toast(text) {
  const t = $('#toast');
  t.textContent = text; t.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { t.hidden = true; }, 6000);
}

async function send(method, path, body) {
  try {
    const r = await fetch(path, { method, headers: body ? { 'Content-Type': 'application/json' } : {}, body: body ? JSON.stringify(body) : undefined });
    const text = await r.text();
    let data = null;
    try { data = text ? JSON.parse(text) : null; } catch { /* plain text */ }
    if (!r.ok) { toast((data && data.error) || text || r.statusText); return null; }
    return data || {};
  } catch (e) { toast('The server does not answer: ' + e.message); return null; }
}
const agentURL = (id, rest) => `/desk/agents/${encodeURIComponent(id)}/${rest}`;

// ---- keeping focus while lists are drawn again ----
let drawing = false;          // the focus that comes back is not a person's choice
function redraw(box, kids) {
  const a = document.activeElement, key = a && box.contains(a) ? a.dataset.key : null;
  const open = new Set([...box.querySelectorAll('details[open]')].map(d => d.dataset.key));
  box.replaceChildren(...kids);
  for (const d of box.querySelectorAll('details')) if (open.has(d.dataset.key)) d.open = true;
  if (!key) return;
  drawing = true;
  box.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
  drawing = false;
}
const seen = new WeakMap();
function changed(node, value) {
  const s = JSON.stringify(value);
  if (seen.get(node) === s) return false;
  seen.set(node, s);
  return true;
}

// ---- header ----
function drawLinks() {
  if (!changed($('#links'), [state.cti, state.stores])) return;
  redraw($('#links'), state.cti.sides.map(s => {
    const used = state.cti.link && state.cti.link.up && state.cti.link.side === s.name;
    const cls = !s.running ? 'bad' : s.stalled ? 'warn' : used ? 'ok' : '';
    const what = !s.running ? 'stopped' : s.stalled ? 'stalled' : used ? 'in use' : 'standing by';
    return el('div', { class: 'link', title: s.addr },
      el('span', { class: 'dot ' + cls }), el('b', {}, 'CTI ' + s.name), el('small', {}, what),
      s.running ? el('button', { 'data-key': 'stop' + s.name, onclick: () => send('POST', `/sim/cti/${s.name}/stop`) }, 'Stop')
        : el('button', { 'data-key': 'start' + s.name, onclick: () => send('POST', `/sim/cti/${s.name}/start`) }, 'Start'),
      s.running && !s.stalled ? el('button', { 'data-key': 'stall' + s.name, title: 'keeps the connection but says nothing', onclick: () => send('POST', `/sim/cti/${s.name}/stall`) }, 'Stall')
        : s.stalled ? el('button', { 'data-key': 'wake' + s.name, onclick: () => send('POST', `/sim/cti/${s.name}/start`) }, 'Wake') : '');
  }).concat(state.stores.map(s => {
    const cls = !s.running ? 'bad' : s.state === 'deciding' ? 'ok' : s.state === 'level' ? '' : 'warn';
    const what = !s.running ? 'stopped' : s.state === 'deciding' ? 'in use' : s.state === 'level' ? 'standing by' : s.state;
    const act = s.running ? 'stop' : 'start';
    return el('div', { class: 'link', title: s.addr },
      el('span', { class: 'dot ' + cls }), el('b', {}, 'Store ' + s.name), el('small', {}, what),
      el('button', { 'data-key': act + 'store' + s.name, onclick: () => send('POST', `/sim/store/${s.name}/${act}`) }, s.running ? 'Stop' : 'Start'));
  })));
}
function drawHealth() {
  const c = state.connector || {};
  if (!changed($('#health'), c)) return;
  const cls = c.condition === 'ok' ? 'ok' : c.condition ? 'warn' : 'bad';
  $('#health').replaceChildren(el('span', { class: 'tag ' + cls, title: c.reason || '' }, `connector ${c.state || '?'} · ${(c.condition || 'unknown').toUpperCase()}`));
}

// ---- customers ----
function drawCalls() {
  if (!changed($('#calls'), state.calls)) return;
  redraw($('#calls'), state.calls.map(c => el('li', {},
    el('span', { class: 'grow', title: (c.parties || []).join(', ') }, `${c.from || 'hidden'} → ${c.to} `, el('small', {}, c.state)),
    c.customer ? el('button', { class: 'bad', 'data-key': 'x' + c.id, onclick: () => send('DELETE', `/sim/calls/${c.id}`) }, 'Hang up') : '')));
}
async function customerCalls() {
  const f = $('#call-form');
  const body = { from: f.from.value.trim(), to: f.to.value.trim(), variables: {}, ecc: {} };
  if (f.cv01.value) body.variables.CV01 = f.cv01.value;
  if (f.ced.value) body.ecc['user.ced'] = f.ced.value;
  if (await send('POST', '/sim/calls', body)) {
    const m = /^(.*?)(\d{1,4})$/.exec(f.from.value);   // the next customer has the next number
    if (m) f.from.value = m[1] + String((+m[2] + 1) % 10 ** m[2].length).padStart(m[2].length, '0');
  }
}

// ---- agents ----
const stateClass = s => /ready/i.test(s) && !/not/i.test(s) || /avail/i.test(s) ? 'ok' : /talk|hold|reserv|work/i.test(s) ? 'warn' : '';
function drawAgents() {
  const q = $('#agent-filter').value.trim().toLowerCase();
  const rows = state.agents.filter(a => !q || (a.name + ' ' + a.id + ' ' + a.device + ' ' + a.state).toLowerCase().includes(q));
  $('#agents-count').textContent = `${state.agents.filter(a => a.sap).length} of ${state.agents.length} logged on`;
  if (!changed($('#agent-rows'), [q, rows.map(a => [a.id, a.name, a.state, !!a.sap])])) return;
  redraw($('#agent-rows'), rows.slice(0, 300).map(a => el('li', {},
    el('span', { class: 'dot ' + stateClass(a.state) }),
    el('span', { class: 'grow', title: `${a.name} · ${a.id} · ${a.device}` }, a.name + ' ', el('small', {}, `${a.id} · ${a.state}`)),
    state.noSAP ? '' : a.sap ? el('button', { 'data-key': 'o' + a.id, onclick: () => logOff(a.id) }, 'Log off')
      : el('button', { 'data-key': 'i' + a.id, onclick: () => logOn(a.id) }, 'Log in'))));
}
const loggingOn = new Set();  // asked for, not yet in a state that the server pushed
async function logOn(id, ready = false) {
  if (loggingOn.has(id)) return;
  loggingOn.add(id);
  if (await send('POST', agentURL(id, 'login'), { ready })) choose(id);
  else loggingOn.delete(id);
}
const logOff = id => send('POST', agentURL(id, 'logout'));
async function logOnNext(ready) {
  const a = state.agents.find(a => !a.sap && !loggingOn.has(a.id));
  if (!a) return toast('Every agent is logged on.');
  await logOn(a.id, ready);
}

// ---- desks ----
function choose(id) {
  chosen = id;
  for (const [k, d] of desks) d.classList.toggle('chosen', k === id);
  desks.get(id)?.scrollIntoView({ block: 'nearest' });
}
function makeDesk(id) {
  const dial = el('input', { placeholder: 'Number, agent or queue', list: 'known', inputmode: 'tel', 'aria-label': 'Destination', onkeydown: e => { if (e.key === 'Enter') dialOrConsult(id); } });
  const d = el('article', { class: 'desk', tabIndex: -1, onmousedown: () => choose(id), onfocusin: () => { if (!drawing) choose(id); } },
    el('div', { class: 'top' }),
    el('div', { class: 'modes' }),
    el('div', { class: 'calls' }),
    el('div', { class: 'dial' }, dial,
      el('button', { onclick: () => act(id, 'makeCall', null, dial.value) }, 'Call'),
      el('button', { class: 'quiet', title: 'Who is there? (presence)', onclick: () => lookUp(id, dial.value) }, 'Find')),
    el('ul', { class: 'rows presence' }));
  d.setAttribute('aria-label', 'Desk of ' + id);
  return d;
}
const destination = id => $('.dial input', desks.get(id)).value.trim();
const agentOf = id => state.agents.find(a => a.id === id);
const callsOf = id => agentOf(id)?.sap?.calls || [];
const can = (c, cap) => (c.caps || []).some(x => x.id === cap);
const withCap = (id, cap) => callsOf(id).find(c => can(c, cap));
function act(id, op, call, to, extra = {}) { return send('POST', agentURL(id, 'act'), { op, call: call ? call.id : '', to: to || '', ...extra }); }
function dialOrConsult(id) {
  const c = withCap(id, 'consult');
  return c ? act(id, 'consult', c, destination(id)) : act(id, 'makeCall', null, destination(id));
}
async function lookUp(id, term) {
  const r = await send('GET', agentURL(id, 'presence') + '?q=' + encodeURIComponent(term));
  if (!r) return;
  presence.set(id, r.rows || []);
  draw();
}
const OTHER = { warmTransfer: true, conference: true, toggle: true };
function capButton(id, c, cap) {
  const cls = cap.id === 'accept' ? 'go' : cap.id === 'drop' || cap.id === 'reject' ? 'bad' : '';
  return el('button', {
    class: cls, 'data-key': c.id + cap.id, onclick: () => {
      if (cap.id === 'consult' || cap.id === 'blindTransfer') {
        if (!destination(id)) { $('.dial input', desks.get(id)).focus(); return toast('Type the destination below first.'); }
        return act(id, cap.id, c, destination(id));
      }
      if (cap.id === 'sendDtmf') { const digits = prompt('Digits (0-9 * # A-D)', '1'); return digits ? act(id, cap.id, c, '', { digits }) : null; }
      return act(id, cap.id, c);
    }
  }, cap.text || cap.id);
}
const since = t => { const s = Math.max(0, Math.round((Date.now() - new Date(t)) / 1000)); return `${Math.floor(s / 60)}:${String(s % 60).padStart(2, '0')}`; };
function drawCall(id, c) {
  const data = (c.data || []).filter(p => p.value !== '');
  const via = [c.direction, c.reason, c.queue && 'queue ' + c.queue, c.dialed && 'dialled ' + c.dialed, c.consultFor && 'consultation'].filter(Boolean).join(' · ');
  return el('div', { class: 'call s' + c.status },
    el('div', { class: 'head' }, el('b', {}, (c.remote || []).join(', ') || 'no number'), el('span', { class: 'grow' }, c.statusText), el('time', { 'data-since': c.since }, since(c.since))),
    el('div', { class: 'meta' }, via),
    (c.caps || []).length ? el('div', { class: 'buttons' }, ...c.caps.map(cap => capButton(id, c, cap))) : '',
    el('details', { 'data-key': 'd' + c.id, open: data.length > 0 && data.length < 5 }, el('summary', {}, data.length ? `Attached data (${data.length})` : 'No attached data'),
      el('table', {}, el('tbody', {}, ...data.map(p => el('tr', {}, el('td', {}, p.name), el('td', {}, p.value)))))));
}
function drawDesks() {
  const open = state.agents.filter(a => a.sap);
  $('#no-desk').hidden = open.length > 0 || !!state.noSAP;
  for (const [id, d] of desks) if (!open.some(a => a.id === id)) { d.remove(); desks.delete(id); presence.delete(id); if (chosen === id) chosen = null; }
  open.slice(0, 60).forEach((a, i) => {
    let d = desks.get(a.id);
    if (!d) { d = makeDesk(a.id); desks.set(a.id, d); }
    if ($('#desk-list').children[i] !== d) $('#desk-list').insertBefore(d, $('#desk-list').children[i] || null);
    const s = a.sap, m = s.workmode || {};
    if (changed($('.top', d), [i, a.name, a.id, a.device, m, s.session])) {
      $('.top', d).replaceChildren(i < 9 ? el('kbd', {}, String(i + 1)) : '', el('b', {}, a.name), el('span', { class: 'grow idle' }, `${a.id} · ${a.device}`),
        el('span', { class: 'tag ' + (m.id === '2' ? 'ok' : m.id === '1' ? 'bad' : 'warn') }, m.text || 'logged off'));
    }
    if (changed($('.modes', d), [m.id, s.workmodes, s.caps])) {
      redraw($('.modes', d), [
        el('button', { 'data-key': 'r' + a.id, class: m.id === '2' ? '' : 'go', disabled: m.id === '2', onclick: () => setMode(a.id, '2') }, 'Ready'),
        el('select', { 'data-key': 'n' + a.id, 'aria-label': 'Not ready with reason', onchange: e => { if (e.target.value) setMode(a.id, e.target.value); } },
          el('option', { value: '' }, 'Not ready…'), ...(s.workmodes || []).filter(w => w.id !== '1' && w.id !== '2').map(w => el('option', { value: w.id }, w.text))),
        el('button', { 'data-key': 'l' + a.id, class: 'quiet', onclick: () => logOff(a.id) }, 'Log off')]);
    }
    if (changed($('.calls', d), s.calls)) {
      redraw($('.calls', d), (s.calls || []).length ? s.calls.map(c => drawCall(a.id, c)) : [el('div', { class: 'idle' }, 'No call.')]);
    }
    const rows = presence.get(a.id) || [];
    if (changed($('.presence', d), rows)) {
      redraw($('.presence', d), rows.map(p => el('li', {}, el('span', { class: 'dot ' + ({ 1: 'ok', 2: 'warn' }[p.status] || '') }),
        el('span', { class: 'grow' }, p.name + ' ', el('small', {}, p.statusText)),
        el('button', { onclick: () => { $('.dial input', d).value = p.address; presence.delete(a.id); draw(); $('.dial input', d).focus(); } }, p.address))));
    }
  });
  if (!chosen && open.length) choose(open[0].id); else if (chosen) for (const [k, d] of desks) d.classList.toggle('chosen', k === chosen);
}
const setMode = (id, workmode) => send('POST', agentURL(id, 'workmode'), { workmode });
setInterval(() => { for (const t of document.querySelectorAll('time[data-since]')) t.textContent = since(t.dataset.since); }, 1000);

function drawKnown() {
  if (!changed($('#known'), state.agents.map(a => a.device))) return;
  $('#known').replaceChildren(el('option', { value: '5001' }, 'skill group'), ...state.agents.slice(0, 100).map(a => el('option', { value: a.device }, a.name)));
}

// A press that begins on a button must end on the same one to count, so nothing is drawn between the two.
let pressed = false;
function release() { if (pressed) { pressed = false; draw(); } }
addEventListener('pointerdown', e => { pressed = e.button === 0 && !!e.target.closest('button, summary'); }, true);
for (const t of ['pointerup', 'pointercancel']) addEventListener(t, () => setTimeout(release), true);   // after the click
addEventListener('pointermove', e => { if (!e.buttons) release(); }, true);                             // let go where we did not see it
addEventListener('blur', release);
function draw() { if (pressed) return; drawLinks(); drawHealth(); drawCalls(); drawAgents(); drawDesks(); drawKnown(); }

// ---- messages ----
const MAX = 2000;
let messages = [], paused = false, counted = 0;
let life = null, last = 0;    // of the server's hub, and the number of its last message here; see connect
const shown = m => {
  if (m.gap) return true;
  const kind = $('#msg-kind').value, q = $('#msg-filter').value.trim().toLowerCase();
  return (!kind || m.link === kind) && (!q || (m.name + ' ' + m.brief).toLowerCase().includes(q)) && (q || !/HEARTBEAT/.test(m.name));
};
function messageRow(m) {
  if (m.gap) return el('li', { class: 'gap' }, `${m.gap} messages passed while the page was away`);
  const row = el('li', { title: `${m.name}  ${m.brief}\n${m.peer}`, 'data-n': m.n, onclick: () => detail(m, row) },
    el('span', { class: 'time' }, m.time.slice(11, 23).replace('Z', '')), el('span', { class: m.link }, m.link), el('span', {}, m.out ? '→' : '←'),
    el('span', { class: m.bad ? 'bad' : '' }, m.name + (m.brief ? '  ' + m.brief : '')));
  return row;
}
function detail(m, row) {
  for (const r of document.querySelectorAll('#msg-rows .on')) r.classList.remove('on');
  const p = $('#msg-detail');
  if (!p.hidden && p.dataset.n === String(m.n)) { p.hidden = true; return; }
  row.classList.add('on');
  p.dataset.n = m.n; p.hidden = false; p.textContent = `${m.time}  ${m.peer}\n${m.name}\n\n${m.detail || '(no content)'}`;
  p.scrollTop = 0;
  row.scrollIntoView({ block: 'nearest' });   // the list became shorter
}
// A feed begins with messages that this page may have; another life of the server counts anew.
function begin(of) {
  if (of === life) return;
  if (life) { messages = []; redrawMessages(); $('#msg-detail').hidden = true; }
  life = of; last = 0;
}
function addMessages(list, backlog) {
  list = list.filter(m => m.n > last);
  if (!list.length) return;
  const missed = last ? list[0].n - last - 1 : 0;
  last = list.at(-1).n;
  if (!backlog) counted += list.length;
  if (missed) list.unshift({ gap: missed });
  messages.push(...list);
  if (messages.length > MAX) messages = messages.slice(-MAX);
  if (paused) return;
  const box = $('#msg-rows'), atEnd = box.scrollTop + box.clientHeight > box.scrollHeight - 30;
  box.append(...list.filter(shown).map(messageRow));
  while (box.children.length > MAX) box.firstChild.remove();
  if (atEnd) box.scrollTop = box.scrollHeight;
}
function redrawMessages() { const box = $('#msg-rows'); box.replaceChildren(...messages.filter(shown).map(messageRow)); box.scrollTop = box.scrollHeight; }
setInterval(() => { $('#msg-rate').textContent = counted ? `${counted}/s` : ''; counted = 0; }, 1000);
function pause() { paused = !paused; $('#msg-pause').setAttribute('aria-pressed', paused); $('#msg-pause').textContent = paused ? 'Go on' : 'Pause'; if (!paused) redrawMessages(); }

// ---- live feed ----
function connect() {
  const ws = new WebSocket((location.protocol === 'https:' ? 'wss://' : 'ws://') + location.host + '/desk/live');
  ws.onmessage = e => {
    const m = JSON.parse(e.data);
    if (m.life) begin(m.life);
    if (m.state) {
      Object.assign(state, m.state);
      for (const a of state.agents) if (a.sap) loggingOn.delete(a.id);
      draw();
    }
    if (m.messages) addMessages(m.messages, !!m.life);
  };
  ws.onclose = () => { loggingOn.clear(); $('#health').replaceChildren(el('span', { class: 'tag bad' }, 'desk server gone, trying again…')); seen.delete($('#health')); setTimeout(connect, 1000); };
}

// ---- keyboard and controls ----
document.addEventListener('keydown', e => {
  if (e.ctrlKey || e.metaKey || e.altKey || e.repeat || e.isComposing || $('#help').open) return;
  if (/^(INPUT|SELECT|TEXTAREA)$/.test(e.target.tagName) || e.target.isContentEditable) { if (e.key === 'Escape') e.target.blur(); return; }
  const id = chosen, one = (cap, ...rest) => { const c = id && withCap(id, cap); if (c) act(id, cap, c, ...rest); else toast(`“${cap}” is not possible now.`); };
  const keys = {
    c: customerCalls, l: () => logOnNext(false), m: pause, '?': () => $('#help').showModal(), '/': () => $('#agent-filter').focus(),
    a: () => one('accept'), r: () => one('reject'), d: () => one('drop'), t: () => one('warmTransfer'), o: () => one('conference'), g: () => one('toggle'),
    h: () => one(id && withCap(id, 'hold') ? 'hold' : 'retrieve'), b: () => one('blindTransfer', id && destination(id)),
    y: () => id && setMode(id, '2'), n: () => id && setMode(id, '3'), k: () => id && $('.dial input', desks.get(id)).focus(),
  };
  if (/^[1-9]$/.test(e.key)) {
    const d = $('#desk-list').children[+e.key - 1];
    for (const [k, v] of desks) if (v === d) { choose(k); d.focus({ preventScroll: true }); }
    return;
  }
  if (keys[e.key]) { e.preventDefault(); keys[e.key](); }
});
$('#call-form').addEventListener('submit', e => { e.preventDefault(); customerCalls(); });
$('#agent-filter').addEventListener('input', drawAgents);
$('#login-two').addEventListener('click', async () => { await logOnNext(true); await logOnNext(true); });
$('#help-open').addEventListener('click', () => $('#help').showModal());
$('#msg-pause').addEventListener('click', pause);
$('#msg-clear').addEventListener('click', () => { messages = []; redrawMessages(); $('#msg-detail').hidden = true; });
$('#msg-kind').addEventListener('change', redrawMessages);
$('#msg-filter').addEventListener('input', redrawMessages);
for (const b of document.querySelectorAll('nav button')) b.addEventListener('click', () => setTab(b.dataset.tab));
function setTab(t) { document.body.dataset.tab = t; for (const b of document.querySelectorAll('nav button')) b.classList.toggle('on', b.dataset.tab === t); }
setTab('desks');
connect();
