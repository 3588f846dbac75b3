// Package ici speaks SAP's Integrated Communication Interface: SOAP calls from SAP CRM's Interaction Center to the
// connector, and event calls back.
package ici
