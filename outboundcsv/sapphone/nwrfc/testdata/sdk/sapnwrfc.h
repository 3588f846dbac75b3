/*
 * This is NOT the header of the SAP NetWeaver RFC SDK, and nothing of it is copied here.
 * It declares, in our own words, the part of the API that package nwrfc uses, so that the
 * package can be compiled and tested where the SDK is not. Names, arguments and the
 * meaning of the return codes are those of the published descriptions: "SAP NetWeaver RFC
 * SDK" on help.sap.com, and the bindings SAP/PyRFC, SAP/gorfc and SAP/node-rfc
 * (Apache-2.0). The layout of structures and the numbers of constants need not be those of
 * the SDK: package nwrfc uses them by name only. A program that was compiled with this
 * file does not work with the SDK.
 */
#ifndef STUB_SAPNWRFC_H
#define STUB_SAPNWRFC_H

#if defined SAPonLIN && (!defined SAPwithUNICODE || !defined SAPonUNIX || !defined SAPwithTHREADS)
#error "the SDK wants its macros"
#endif

#define SAP_API

typedef unsigned short SAP_UC;
typedef unsigned char SAP_RAW;
typedef SAP_UC RFC_CHAR;
typedef RFC_CHAR RFC_NUM;
typedef SAP_RAW RFC_BYTE;
typedef SAP_RAW RFC_INT1;
typedef short RFC_INT2;
typedef int RFC_INT;
typedef long long RFC_INT8;
typedef double RFC_FLOAT;
typedef RFC_CHAR RFC_DATE[8];
typedef RFC_CHAR RFC_TIME[6];
typedef RFC_CHAR RFC_ABAP_NAME[30 + 1];
typedef RFC_CHAR RFC_PARAMETER_DEFVALUE[30 + 1];
typedef RFC_CHAR RFC_PARAMETER_TEXT[79 + 1];

typedef enum {
	RFCTYPE_CHAR = 0, RFCTYPE_DATE = 1, RFCTYPE_BCD = 2, RFCTYPE_TIME = 3, RFCTYPE_BYTE = 4, RFCTYPE_TABLE = 5, RFCTYPE_NUM = 6,
	RFCTYPE_FLOAT = 7, RFCTYPE_INT = 8, RFCTYPE_INT2 = 9, RFCTYPE_INT1 = 10, RFCTYPE_STRUCTURE = 17, RFCTYPE_STRING = 29,
	RFCTYPE_XSTRING = 30, RFCTYPE_INT8
} RFCTYPE;

typedef enum {
	RFC_OK, RFC_COMMUNICATION_FAILURE, RFC_LOGON_FAILURE, RFC_ABAP_RUNTIME_FAILURE, RFC_ABAP_MESSAGE, RFC_ABAP_EXCEPTION,
	RFC_CLOSED, RFC_CANCELED, RFC_TIMEOUT, RFC_MEMORY_INSUFFICIENT, RFC_VERSION_MISMATCH, RFC_INVALID_PROTOCOL,
	RFC_SERIALIZATION_FAILURE, RFC_INVALID_HANDLE, RFC_RETRY, RFC_EXTERNAL_FAILURE, RFC_EXECUTED, RFC_NOT_FOUND,
	RFC_NOT_SUPPORTED, RFC_ILLEGAL_STATE, RFC_INVALID_PARAMETER, RFC_CODEPAGE_CONVERSION_FAILURE, RFC_CONVERSION_FAILURE,
	RFC_BUFFER_TOO_SMALL, RFC_TABLE_MOVE_BOF, RFC_TABLE_MOVE_EOF
} RFC_RC;

typedef enum {
	OK, ABAP_APPLICATION_FAILURE, ABAP_RUNTIME_FAILURE, LOGON_FAILURE, COMMUNICATION_FAILURE, EXTERNAL_RUNTIME_FAILURE,
	EXTERNAL_APPLICATION_FAILURE, EXTERNAL_AUTHORIZATION_FAILURE
} RFC_ERROR_GROUP;

typedef enum { RFC_IMPORT = 1, RFC_EXPORT = 2, RFC_CHANGING = 3, RFC_TABLES = 7 } RFC_DIRECTION;

/* Handles point to something that only the library knows. */
typedef struct stub_type *RFC_TYPE_DESC_HANDLE;
typedef struct stub_function *RFC_FUNCTION_DESC_HANDLE;
typedef struct stub_connection *RFC_CONNECTION_HANDLE;
typedef struct stub_data *DATA_CONTAINER_HANDLE;
typedef DATA_CONTAINER_HANDLE RFC_STRUCTURE_HANDLE;
typedef DATA_CONTAINER_HANDLE RFC_FUNCTION_HANDLE;
typedef DATA_CONTAINER_HANDLE RFC_TABLE_HANDLE;

typedef struct {
	RFC_RC code;
	RFC_ERROR_GROUP group;
	SAP_UC key[128], message[512], abapMsgClass[20 + 1], abapMsgType[1 + 1];
	RFC_NUM abapMsgNumber[3 + 1];
	SAP_UC abapMsgV1[50 + 1], abapMsgV2[50 + 1], abapMsgV3[50 + 1], abapMsgV4[50 + 1];
} RFC_ERROR_INFO;

typedef struct {
	const SAP_UC *name, *value;
} RFC_CONNECTION_PARAMETER;

typedef struct {
	SAP_UC partnerHost[100 + 1], sysId[8 + 1], client[3 + 1], user[12 + 1], progName[128 + 1];
} RFC_ATTRIBUTES;

typedef struct {
	RFC_ABAP_NAME name;
	RFCTYPE type;
	unsigned nucLength, nucOffset, ucLength, ucOffset, decimals;
	RFC_TYPE_DESC_HANDLE typeDescHandle;
	void *extendedDescription;
} RFC_FIELD_DESC;

typedef struct {
	RFC_ABAP_NAME name;
	RFCTYPE type;
	RFC_DIRECTION direction;
	unsigned nucLength, ucLength, decimals;
	RFC_TYPE_DESC_HANDLE typeDescHandle;
	RFC_PARAMETER_DEFVALUE defaultValue;
	RFC_PARAMETER_TEXT parameterText;
	RFC_BYTE optional;
	void *extendedDescription;
} RFC_PARAMETER_DESC;

typedef RFC_RC(SAP_API *RFC_SERVER_FUNCTION)(RFC_CONNECTION_HANDLE, RFC_FUNCTION_HANDLE, RFC_ERROR_INFO *);
typedef RFC_RC(SAP_API *RFC_FUNC_DESC_CALLBACK)(SAP_UC const *, RFC_ATTRIBUTES, RFC_FUNCTION_DESC_HANDLE *);

/* Server. */
RFC_RC SAP_API RfcInstallGenericServerFunction(RFC_SERVER_FUNCTION, RFC_FUNC_DESC_CALLBACK, RFC_ERROR_INFO *);
RFC_CONNECTION_HANDLE SAP_API RfcRegisterServer(RFC_CONNECTION_PARAMETER const *, unsigned, RFC_ERROR_INFO *);
RFC_RC SAP_API RfcListenAndDispatch(RFC_CONNECTION_HANDLE, int, RFC_ERROR_INFO *);
RFC_RC SAP_API RfcCloseConnection(RFC_CONNECTION_HANDLE, RFC_ERROR_INFO *);
RFC_RC SAP_API RfcIsConnectionHandleValid(RFC_CONNECTION_HANDLE, RFC_INT *, RFC_ERROR_INFO *);
RFC_RC SAP_API RfcGetConnectionAttributes(RFC_CONNECTION_HANDLE, RFC_ATTRIBUTES *, RFC_ERROR_INFO *);

/* Descriptions. */
RFC_TYPE_DESC_HANDLE SAP_API RfcCreateTypeDesc(SAP_UC const *, RFC_ERROR_INFO *);
RFC_RC SAP_API RfcAddTypeField(RFC_TYPE_DESC_HANDLE, RFC_FIELD_DESC const *, RFC_ERROR_INFO *);
RFC_RC SAP_API RfcSetTypeLength(RFC_TYPE_DESC_HANDLE, unsigned, unsigned, RFC_ERROR_INFO *);
RFC_RC SAP_API RfcDestroyTypeDesc(RFC_TYPE_DESC_HANDLE, RFC_ERROR_INFO *);
RFC_FUNCTION_DESC_HANDLE SAP_API RfcCreateFunctionDesc(SAP_UC const *, RFC_ERROR_INFO *);
RFC_RC SAP_API RfcAddParameter(RFC_FUNCTION_DESC_HANDLE, RFC_PARAMETER_DESC const *, RFC_ERROR_INFO *);
RFC_RC SAP_API RfcDestroyFunctionDesc(RFC_FUNCTION_DESC_HANDLE, RFC_ERROR_INFO *);
RFC_FUNCTION_DESC_HANDLE SAP_API RfcDescribeFunction(RFC_FUNCTION_HANDLE, RFC_ERROR_INFO *);
RFC_RC SAP_API RfcGetFunctionName(RFC_FUNCTION_DESC_HANDLE, RFC_ABAP_NAME, RFC_ERROR_INFO *);

/* Data. */
RFC_RC SAP_API RfcGetChars(DATA_CONTAINER_HANDLE, SAP_UC const *, RFC_CHAR *, unsigned, RFC_ERROR_INFO *);
RFC_RC SAP_API RfcGetNum(DATA_CONTAINER_HANDLE, SAP_UC const *, RFC_NUM *, unsigned, RFC_ERROR_INFO *);
RFC_RC SAP_API RfcGetDate(DATA_CONTAINER_HANDLE, SAP_UC const *, RFC_DATE, RFC_ERROR_INFO *);
RFC_RC SAP_API RfcGetTime(DATA_CONTAINER_HANDLE, SAP_UC const *, RFC_TIME, RFC_ERROR_INFO *);
RFC_RC SAP_API RfcGetString(DATA_CONTAINER_HANDLE, SAP_UC const *, SAP_UC *, unsigned, unsigned *, RFC_ERROR_INFO *);
RFC_RC SAP_API RfcGetStringLength(DATA_CONTAINER_HANDLE, SAP_UC const *, unsigned *, RFC_ERROR_INFO *);
RFC_RC SAP_API RfcGetBytes(DATA_CONTAINER_HANDLE, SAP_UC const *, SAP_RAW *, unsigned, RFC_ERROR_INFO *);
RFC_RC SAP_API RfcGetXString(DATA_CONTAINER_HANDLE, SAP_UC const *, SAP_RAW *, unsigned, unsigned *, RFC_ERROR_INFO *);
RFC_RC SAP_API RfcGetInt(DATA_CONTAINER_HANDLE, SAP_UC const *, RFC_INT *, RFC_ERROR_INFO *);
RFC_RC SAP_API RfcGetInt1(DATA_CONTAINER_HANDLE, SAP_UC const *, RFC_INT1 *, RFC_ERROR_INFO *);
RFC_RC SAP_API RfcGetInt2(DATA_CONTAINER_HANDLE, SAP_UC const *, RFC_INT2 *, RFC_ERROR_INFO *);
RFC_RC SAP_API RfcGetInt8(DATA_CONTAINER_HANDLE, SAP_UC const *, RFC_INT8 *, RFC_ERROR_INFO *);
RFC_RC SAP_API RfcGetFloat(DATA_CONTAINER_HANDLE, SAP_UC const *, RFC_FLOAT *, RFC_ERROR_INFO *);
RFC_RC SAP_API RfcGetStructure(DATA_CONTAINER_HANDLE, SAP_UC const *, RFC_STRUCTURE_HANDLE *, RFC_ERROR_INFO *);
RFC_RC SAP_API RfcGetTable(DATA_CONTAINER_HANDLE, SAP_UC const *, RFC_TABLE_HANDLE *, RFC_ERROR_INFO *);
RFC_RC SAP_API RfcSetChars(DATA_CONTAINER_HANDLE, SAP_UC const *, RFC_CHAR const *, unsigned, RFC_ERROR_INFO *);
RFC_RC SAP_API RfcSetNum(DATA_CONTAINER_HANDLE, SAP_UC const *, RFC_NUM const *, unsigned, RFC_ERROR_INFO *);
RFC_RC SAP_API RfcSetDate(DATA_CONTAINER_HANDLE, SAP_UC const *, RFC_DATE const, RFC_ERROR_INFO *);
RFC_RC SAP_API RfcSetTime(DATA_CONTAINER_HANDLE, SAP_UC const *, RFC_TIME const, RFC_ERROR_INFO *);
RFC_RC SAP_API RfcSetString(DATA_CONTAINER_HANDLE, SAP_UC const *, SAP_UC const *, unsigned, RFC_ERROR_INFO *);
RFC_RC SAP_API RfcSetBytes(DATA_CONTAINER_HANDLE, SAP_UC const *, SAP_RAW const *, unsigned, RFC_ERROR_INFO *);
RFC_RC SAP_API RfcSetXString(DATA_CONTAINER_HANDLE, SAP_UC const *, SAP_RAW const *, unsigned, RFC_ERROR_INFO *);
RFC_RC SAP_API RfcSetInt(DATA_CONTAINER_HANDLE, SAP_UC const *, RFC_INT, RFC_ERROR_INFO *);
RFC_RC SAP_API RfcSetInt8(DATA_CONTAINER_HANDLE, SAP_UC const *, RFC_INT8, RFC_ERROR_INFO *);
RFC_RC SAP_API RfcSetFloat(DATA_CONTAINER_HANDLE, SAP_UC const *, RFC_FLOAT, RFC_ERROR_INFO *);

/* Tables. */
RFC_RC SAP_API RfcGetRowCount(RFC_TABLE_HANDLE, unsigned *, RFC_ERROR_INFO *);
RFC_RC SAP_API RfcMoveTo(RFC_TABLE_HANDLE, unsigned, RFC_ERROR_INFO *);
RFC_STRUCTURE_HANDLE SAP_API RfcGetCurrentRow(RFC_TABLE_HANDLE, RFC_ERROR_INFO *);
RFC_STRUCTURE_HANDLE SAP_API RfcAppendNewRow(RFC_TABLE_HANDLE, RFC_ERROR_INFO *);
RFC_RC SAP_API RfcDeleteAllRows(RFC_TABLE_HANDLE, RFC_ERROR_INFO *);

#endif
