# Calls the server with the SOAP toolkit zeep, which reads WSDL and XML schema strictly, from nothing but the ?wsdl of the
# services. Prints one JSON object. Usage: call.py http://127.0.0.1:port
import json, sys
import zeep
from zeep.helpers import serialize_object
base, out = sys.argv[1], {}


def client(service):
    return zeep.Client(f"{base}/{service}Service/{service}Conf?wsdl")


headers = {"user": "MEIER", "language": "DE"}
user = client("IciUser")
out["operations"] = list(user.service._operations)
out["user"] = serialize_object(user.service.getAttributes(userId="MÜLLER & Söhne <x>", _soapheaders=headers), dict)
out["presence"] = serialize_object(user.service.getPresence(searchTerm="*", _soapheaders=headers), dict)
out["queues"] = user.service.setCurrentQueues(userId="MEIER", queueIds={"item": ["q1", "q2"]}, _soapheaders=headers)
try:
    client("IciPhoneCall").service.accept(userId="MEIER", phoneCallId="call-9", _soapheaders=headers)
except zeep.exceptions.Fault as f:
    out["fault"] = {"code": f.code, "text": f.message, "errorCode": f.detail.find("errorCode").text}
out["wrapUp"] = client("IciItem").service.wrapUpRequired(itemId="call-1", required=True, _soapheaders=headers)
out["route"] = client("IciActionItem").service.route(
    actionItemId="7", scenarioId={"id": "S", "description": "T"}, itemData={"title": "late", "objectType": "X"},
    userIds={"item": ["A"]}, _soapheaders=headers)
out["capability"] = serialize_object(client("IciSystem").service.getWorkcenterCapability(), dict)
for s in ["IciMessage", "IciFolder", "IciChat", "IciChatLine", "IciMonitor"]:
    client(s)
print(json.dumps(out))
