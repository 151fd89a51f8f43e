// What the server tells: events as they come, and what the page asks for. One stream is open at a time.

import { currentLanguage } from "./texts.js";

export class Feed {
  // `heard(name, content)` for each event, `turned(state)` as the connection is live, lost or waiting.
  constructor(heard, turned) {
    this.heard = heard;
    this.turned = turned;
    this.last = "";
    this.source = null;
  }

  open(keys) {
    this.keys = keys;
    this.close();
    this.turned("waiting");
    // The list is told again by a stream of other runs.
    this.connect("");
  }

  connect(after) {
    const source = new EventSource(`events?runs=${this.keys.join(",")}&lang=${currentLanguage()}${after}`);
    this.source = source;
    source.onopen = () => this.turned("live");
    for (const name of ["runs", "grown"]) {
      source.addEventListener(name, (event) => {
        this.last = event.lastEventId;
        this.heard(name, JSON.parse(event.data));
      });
    }
    source.onerror = () => {
      this.turned("lost");
      // The browser connects again by itself, with the last id, unless the server has answered with an error.
      if (source.readyState !== EventSource.CLOSED || source !== this.source) return;
      setTimeout(() => {
        if (source === this.source) this.connect(`&after=${this.last}`);
      }, 2000);
    };
  }

  close() {
    if (this.source) this.source.close();
    this.source = null;
  }
}

export async function ask(address) {
  const answer = await fetch(address);
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.error ? `${content.error.rule} ${content.error.found || ""}` : answer.status);
  return content;
}
