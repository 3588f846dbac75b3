// Package outbound is the domain of the outbound connector: it joins the lists that
// SAP sends (outboundcsv/sapphone) with the queue that places them (outboundcsv/spool),
// and shows both to operators.
package outbound
