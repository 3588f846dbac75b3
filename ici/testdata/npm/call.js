// Calls the server with the SOAP toolkit "soap" of npm, from nothing but the ?wsdl of the services. Prints one JSON
// object. Usage: node call.js http://127.0.0.1:port
const soap = require('soap');
const base = process.argv[2];
const out = {};
async function client(service) {
  const c = await soap.createClientAsync(`${base}/${service}Service/${service}Conf?wsdl`);
  c.addSoapHeader('<h:user xmlns:h="urn:IciItemInterface">MEIER</h:user><h:language xmlns:h="urn:IciItemInterface">DE</h:language>');
  return c;
}
(async () => {
  const user = await client('IciUser');
  out.operations = Object.keys(user.describe().IciUserService.IciUserPort);
  out.user = (await user.getAttributesAsync({ userId: 'MÜLLER & Söhne <x>' }))[0].response;
  out.presence = (await user.getPresenceAsync({ searchTerm: '*' }))[0].response;
  out.queues = (await user.setCurrentQueuesAsync({ userId: 'MEIER', queueIds: { item: ['q1', 'q2'] } }))[0].response;
  const call = await client('IciPhoneCall');
  try {
    await call.acceptAsync({ userId: 'MEIER', phoneCallId: 'call-9' });
  } catch (e) {
    const f = e.root.Envelope.Body.Fault;
    out.fault = { status: e.response.status, code: f.faultcode, text: f.faultstring, errorCode: f.detail.errorCode };
  }
  const item = await client('IciItem');
  out.wrapUp = (await item.wrapUpRequiredAsync({ itemId: 'call-1', required: true }))[0].response;
  const act = await client('IciActionItem');
  out.route = (await act.routeAsync({ actionItemId: '7', scenarioId: { id: 'S', description: 'T' }, itemData: { title: 'late', objectType: 'X' }, userIds: { item: ['A'] } }))[0].response;
  const sys = await client('IciSystem');
  out.capability = (await sys.getWorkcenterCapabilityAsync({}))[0].response;
  console.log(JSON.stringify(out));
})().catch((e) => { console.error(e); process.exit(1); });
