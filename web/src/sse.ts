// SPDX-License-Identifier: MIT
// Reads a text/event-stream as the HTML standard describes it. EventSource would do, but it cannot send an access token.
// Pure: text in, events out.

export interface ServerEvent {
    id: string; // the last id seen, also from an earlier event
    event: string;
    data: string;
}

export class EventParser {
    private rest = "";
    private data: string[] = [];
    private event = "";
    private id = "";

    /** Takes the next piece of the stream, cut anywhere, and returns the events that it completes. */
    feed(text: string): ServerEvent[] {
        const events: ServerEvent[] = [];
        // A lone CR at the end may be half of a CR LF: it waits for the next piece.
        const held = (this.rest + text).endsWith("\r") ? "\r" : "";
        const whole = this.rest + text;
        const lines = whole.slice(0, whole.length - held.length).split(/\r\n|\n|\r/);
        this.rest = lines.pop()! + held;
        for (const line of lines) {
            if (line === "") {
                if (this.data.length)
                    events.push({ id: this.id, event: this.event || "message", data: this.data.join("\n") });
                this.data = [];
                this.event = "";
                continue;
            }
            const colon = line.indexOf(":");
            const field = colon < 0 ? line : line.slice(0, colon);
            const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
            if (field === "data") this.data.push(value);
            else if (field === "event") this.event = value;
            else if (field === "id") this.id = value;
            // Others (comments, retry) carry nothing that the page needs.
        }
        return events;
    }
}
