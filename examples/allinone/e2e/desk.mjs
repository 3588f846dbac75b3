// Drives the desk page as a person would. Usage: node desk.mjs URL [SCREENSHOT-DIR]
// Needs playwright-core and Chromium; prints one line for each step and exits 1 at the first that fails.
import { createRequire } from 'node:module';
const { chromium } = createRequire(process.env.NODE_MODULES_FROM || import.meta.url)('playwright-core');

const [url, shots] = process.argv.slice(2);
const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: flags, timeout: 120_000 });
const page = await browser.newPage({ viewport: { width: 1440, height: 860 } });
page.setDefaultTimeout(60_000);   // patience for a busy machine; what waits is an error only then
const complaints = [];
page.on('pageerror', e => complaints.push('script: ' + e.message));
page.on('console', m => { if (m.type() === 'error') complaints.push('console: ' + m.text()); });

// The live feed goes through here, so that it can break, and come from a server that was started again.
let feed, feeds = 0, again = false;
await page.routeWebSocket(/desk\/live/, ws => {
  const server = ws.connectToServer();
  let before;
  if (again) server.onMessage(text => {
    const m = JSON.parse(text);
    if (m.life) { m.life = 'another'; before = m.messages[0].n - 1; }
    for (const x of m.messages || []) x.n -= before;
    ws.send(JSON.stringify(m));
  });
  feed = ws;
  feeds++;
});

const desks = page.locator('.desk');
const button = (where, name) => where.getByRole('button', { name, exact: true });
const third = page.getByLabel('Desk of 1003');
const status = (where, s) => where.locator('.call.s' + s);
const step = async (name, f) => { await f(); console.log('ok ' + name); };
const shot = async name => { if (shots) await page.screenshot({ path: `${shots}/${name}.png` }); };

// the desk at which an offered call shows, and the other one
async function offered() {
  await page.locator('.desk .call.s1').first().waitFor();
  const first = await status(desks.nth(0), 1).count() > 0;
  return [desks.nth(first ? 0 : 1), desks.nth(first ? 1 : 0)];
}
const device = async d => (await d.locator('.top .idle').textContent()).split('·').pop().trim();
// Both agents are ready. A person who waits for that looks, and presses nothing: the button of a mode that came meanwhile is disabled.
async function bothReady() {
  for (const d of [desks.nth(0), desks.nth(1)]) await d.locator('.tag.ok').waitFor();
}
// The connector has read the switch again, so that no act is refused.
const healthy = () => page.locator('#health .tag.ok').waitFor();
// the only call at a desk, in status s; while calls are joined there may be two for a moment
const only = (where, s) => where.locator('.calls:not(:has(.call ~ .call)) > .call.s' + s);
async function consult(a, b) {
  await a.locator('.dial input').fill(await device(b));
  await a.locator('[data-key$="consult"]').click();
  await status(b, 1).waitFor();
  await b.locator('[data-key$="accept"]').click();
  await status(b, 4).waitFor();
  await a.locator('[data-key$="warmTransfer"]').first().waitFor();
}

// The numbers of the messages that are shown, which must grow.
async function numbers() {
  const ns = await page.locator('#msg-rows li:not(.gap)').evaluateAll(rows => rows.map(r => Number(r.dataset.n)));
  for (let i = 1; i < ns.length; i++) if (!(ns[i] > ns[i - 1])) throw new Error(`message ${ns[i]} is shown after ${ns[i - 1]}`);
  if (!ns.length) throw new Error('no message is shown');
  return ns;
}
// Breaks the feed, and is back when the new one has brought a message.
async function reconnect() {
  const n = feeds;
  await feed.close();
  while (feeds === n) await page.waitForTimeout(50);
  const at = await page.evaluate(() => last);
  await page.evaluate(() => setMode('1001', '3'));
  await desks.nth(0).locator('.tag.warn').waitFor();
  await page.evaluate(() => setMode('1001', '2'));
  await desks.nth(0).locator('.tag.ok').waitFor();
  await page.waitForFunction(at => last !== at, at);
}
const chosen = id => page.locator(`.desk.chosen[aria-label="Desk of ${id}"]`).waitFor();

try {
  await page.goto(url);
  await step('two agents log in and are ready', async () => {
    await page.getByRole('button', { name: 'Log two agents in, ready' }).click();
    await bothReady();
  });
  await step('not ready with a reason, and ready', async () => {
    await desks.nth(1).locator('.modes select').selectOption('3');
    await desks.nth(1).locator('.tag.warn').waitFor();
    await button(desks.nth(1), 'Ready').click();
    await bothReady();
  });
  await step('a press is not lost when news come before it ends', async () => {
    await button(page.locator('#agent-rows li', { hasText: '1003' }), 'Log in').hover();
    await page.mouse.down();
    await page.keyboard.press('1');
    await page.keyboard.press('n');   // news of another agent in the same list
    await page.waitForFunction(() => state.agents[0].sap.workmode.id === '3');
    await page.mouse.up();
    await third.waitFor();
    await desks.nth(0).locator('.tag.warn').waitFor();
    await button(desks.nth(0), 'Ready').click();
    await bothReady();
  });
  await step('who logs off is the next to log on', async () => {
    const off = async () => { await button(third, 'Log off').click(); await third.waitFor({ state: 'detached' }); };
    for (let i = 0; i < 2; i++) {
      await off();
      await page.keyboard.press('l');
      await third.waitFor();
    }
    await off();
  });
  let a, b;
  await step('a customer calls and an agent accepts', async () => {
    await page.fill('[name=cv01]', 'Kundennr. 4711 – Zürich');
    await page.fill('[name=ced]', '42');
    await page.locator('#call-form button').click();
    [a, b] = await offered();
    await a.locator('.call.s1', { hasText: '+41315550100' }).waitFor();
    await a.locator('[data-key$="accept"]').click();
    await status(a, 4).waitFor();
    await a.getByText('Kundennr. 4711 – Zürich').waitFor();
  });
  await shot('wide-call');
  await step('hold and retrieve', async () => {
    await a.locator('[data-key$="hold"]').click();
    await status(a, 5).waitFor();
    await a.locator('[data-key$="retrieve"]').click();
    await status(a, 4).waitFor();
  });
  await step('presence finds the colleague', async () => {
    await a.locator('.dial input').fill('');
    await button(a, 'Find').click();
    await a.locator('.presence li').nth(1).waitFor();
  });
  await step('consult and warm transfer take number and data along', async () => {
    await consult(a, b);
    await shot('wide-consult');
    await a.locator('[data-key$="warmTransfer"]').first().click();
    await only(b, 4).filter({ hasText: '+41315550100' }).waitFor();
    await b.getByText('Kundennr. 4711 – Zürich').waitFor();
    await a.locator('.call').first().waitFor({ state: 'detached' });
  });
  await step('hang up', async () => {
    await b.locator('[data-key$="drop"]').click();
    await b.locator('.call').first().waitFor({ state: 'detached' });
  });
  await step('conference of three', async () => {
    await bothReady();
    await page.locator('#call-form button').click();
    [a, b] = await offered();
    await a.locator('[data-key$="accept"]').click();
    await status(a, 4).waitFor();
    await consult(a, b);
    await a.locator('[data-key$="conference"]').first().click();
    await only(a, 6).waitFor();
    await only(b, 6).waitFor();
  });
  await shot('wide-conference');
  await step('side A stops and the call goes on over side B', async () => {
    await button(page.locator('.link', { hasText: 'CTI A' }), 'Stop').click();
    await page.locator('.link', { hasText: 'CTI B' }).locator('.dot.ok').waitFor();
    await healthy();
    await only(a, 6).waitFor();
    await button(page.locator('.link', { hasText: 'CTI A' }), 'Start').click();
  });
  await shot('wide-failover');
  await step('side A of the data store stops and the call goes on', async () => {
    await button(page.locator('.link', { hasText: 'Store A' }), 'Stop').click();
    await page.locator('.link', { hasText: 'Store B' }).locator('.dot.ok').waitFor();
    await only(a, 6).waitFor();
    await button(page.locator('.link', { hasText: 'Store A' }), 'Start').click();
    await page.locator('.link', { hasText: 'Store A' }).locator('small', { hasText: 'standing by' }).waitFor();
    await healthy();
  });
  await step('the customer hangs up', async () => {
    await page.locator('#calls button').first().click();
    await a.locator('.call.s6').first().waitFor({ state: 'detached' });
    await only(a, 4).locator('[data-key$="drop"]').click();
    for (const d of [a, b]) await d.locator('.call').first().waitFor({ state: 'detached' });
  });
  await step('keyboard: not ready and ready', async () => {
    await page.locator('h1').click();
    await page.keyboard.press('1');
    await page.keyboard.press('n');
    await desks.nth(0).locator('.tag.warn').waitFor();
    await page.keyboard.press('y');
    await desks.nth(0).locator('.tag.ok').waitFor();
  });
  await step('a digit chooses a desk from a button, and is text in a field', async () => {
    const first = await desks.nth(0).getAttribute('aria-label');
    const [one, two] = await desks.evaluateAll(ds => ds.map(d => d.getAttribute('aria-label').slice('Desk of '.length)));
    await desks.nth(0).locator('.dial input').fill('');
    await desks.nth(0).locator('.dial input').press('2');
    await page.evaluate(() => { const e = document.createElement('div'); e.id = 'note'; e.contentEditable = 'true'; document.body.append(e); });
    for (const field of [desks.nth(0).locator('.modes select'), page.locator('#note')]) {
      await field.focus();
      await page.keyboard.press('2');
    }
    const text = await desks.nth(0).locator('.dial input').inputValue() + await page.locator('#note').textContent();
    if (text !== '22') throw new Error(`the fields have ${text}, want 22`);
    await chosen(one);
    await page.evaluate(() => document.getElementById('note').remove());
    await button(desks.nth(0), 'Log off').focus();
    await page.keyboard.press('2');
    await chosen(two);
    await button(desks.nth(0), 'Log off').focus();   // chooses its desk; then another one logs on, which chooses that
    await chosen(one);
    await page.keyboard.press('l');
    await third.waitFor();
    await chosen('1003');
    await page.evaluate(id => setMode(id, '3'), one);   // the focused button is drawn again
    await page.getByLabel(first).locator('.tag.warn').waitFor();
    await page.getByLabel(first).locator('.modes button:focus').waitFor();
    await chosen('1003');
    await page.evaluate(id => setMode(id, '2'), one);
    await page.getByLabel(first).locator('.tag.ok').waitFor();
  });
  await step('a feed that comes again shows no message twice', async () => {
    const before = await numbers();
    await reconnect();
    const after = await numbers();
    if (after[0] !== before[0] || after.length <= before.length) throw new Error(`messages ${after[0]} to ${after.at(-1)}, before ${before[0]} to ${before.at(-1)}`);
    again = true;   // now from a server that was started again: the old messages go
    await reconnect();
    const anew = await numbers();
    if (anew.at(-1) >= after.at(-1) || await page.locator('#msg-rows .gap').count()) throw new Error(`messages ${anew[0]} to ${anew.at(-1)} after ${after.at(-1)}`);
  });
  await step('messages of both links are shown', async () => {
    await page.locator('#msg-rows .CTI').first().waitFor();
    await page.locator('#msg-rows li', { hasText: 'phoneCallChanged' }).first().click();
    await page.locator('#msg-detail', { hasText: 'phoneCall' }).waitFor();
  });
  await shot('wide-messages');
  await step('narrow window', async () => {
    await page.setViewportSize({ width: 390, height: 800 });
    await shot('narrow-desks');
    for (const t of ['Customers', 'Agents', 'Messages']) {
      await page.locator('nav').getByRole('button', { name: t }).click();
      await page.locator('#' + t.toLowerCase()).waitFor();
      await shot('narrow-' + t.toLowerCase());
    }
    const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    if (wide) throw new Error('the page scrolls sideways');
  });
  await step('no complaints in the browser console', async () => { if (complaints.length) throw new Error(complaints.join('; ')); });
} catch (e) {
  console.log('not ok ' + e.message);
  for (const c of complaints) console.log(c);
  await shot('failed');
  process.exitCode = 1;
} finally {
  await browser.close();
}
