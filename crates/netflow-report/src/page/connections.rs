//! The table of connections.

use crate::html::{Html, html};
use crate::report::{Connection, End, Report};
use crate::svg::time_axis::date_and_time;
use crate::units;

pub(super) fn write(out: &mut Html, report: &Report) {
    let connections = &report.connections;
    html!(
        out,
        "<section id=\"connections\" aria-labelledby=\"connections-title\">\n<h2 id=\"connections-title\">Connections</h2>\n<div class=\"card\">\n"
    );
    if connections.rows.is_empty() {
        html!(out, "<p class=\"empty\">There are none.</p>\n</div>\n</section>\n");
        return;
    }
    html!(
        out,
        "<div class=\"tools\"><p>The {} largest of {}, by volume of both directions.</p>\
         <p class=\"search\" hidden><label for=\"search\">Search</label> <input id=\"search\" type=\"search\" autocomplete=\"off\" spellcheck=\"false\" \
         placeholder=\"Address, name, service\"> <output for=\"search\" aria-live=\"polite\"></output></p></div>\n\
         <table class=\"conn sortable\"><thead><tr><th scope=\"col\">Start</th><th scope=\"col\" class=\"n\">Duration</th><th scope=\"col\">Service</th>\
         <th scope=\"col\">Client</th><th scope=\"col\">Server</th><th scope=\"col\" class=\"n\">Client sent</th>\
         <th scope=\"col\" class=\"n\">Server sent</th><th scope=\"col\" class=\"n\">Packets</th><th scope=\"col\">Seen by</th></tr></thead><tbody>\n",
        units::grouped(connections.rows.len() as u64),
        units::grouped(connections.total)
    );
    for connection in &connections.rows {
        row(out, report, connection);
    }
    html!(out, "</tbody></table>\n");
    report.write_basis(out, None, &connections.note);
    html!(out, "</div>\n</section>\n");
}

fn row(out: &mut Html, report: &Report, connection: &Connection) {
    let Connection { start, duration, service, protocol, client, server, seen_by } = connection;
    html!(
        out,
        "<tr><td data-v=\"{}\">{}</td><td class=\"n\" data-v=\"{}\">{}</td><td><bdi>{}</bdi>",
        start.map_or(0, |start| start.as_nanos() / 1_000_000),
        start.map_or_else(|| "\u{2013}".to_owned(), |start| date_and_time(start, &report.zone)),
        duration.as_millis(),
        units::duration(*duration),
        service
    );
    if !protocol.is_empty() && protocol != service {
        html!(out, " <small>{}</small>", protocol);
    }
    html!(out, "</td>");
    end(out, client);
    end(out, server);
    html!(
        out,
        "<td class=\"n\" data-v=\"{}\">{}</td><td class=\"n\" data-v=\"{}\">{}</td><td class=\"n\" data-v=\"{}\">{}</td><td><bdi>{}</bdi></td></tr>\n",
        client.bytes,
        units::bytes(client.bytes),
        server.bytes,
        units::bytes(server.bytes),
        client.packets.saturating_add(server.packets),
        units::count(client.packets.saturating_add(server.packets)),
        seen_by
    );
}

fn end(out: &mut Html, end: &End) {
    html!(out, "<td><bdi class=\"address\">{}</bdi>", end.address);
    if end.port > 0 {
        html!(out, "<small class=\"port\"> {}</small>", end.port);
    }
    if !end.name.is_empty() {
        html!(out, " <small><bdi>{}</bdi></small>", end.name);
    }
    html!(out, "</td>");
}
