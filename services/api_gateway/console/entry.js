// One entry of the catalogue with its tag: read, changed and removed only as it was seen.
//
// The tag is of all that a reader sees, so that it also changes when a take has been prepared or
// somebody sets a bookmark. That is no conflict: only a change of what an admin writes is.

import { Problem, ask, request } from "./session.js";

const CHANGED = 412;
const AGAIN = 4; // times, when the entry keeps changing by itself

// What an admin writes of an entry, by kind; the rest the server finds out.
const WRITTEN = {
  actors: (seen) => ({ name: seen.name, about: seen.about, image_url: seen.image_url }),
  tokens: (seen) => ({ actor_id: seen.actor.id, film: seen.film, text: seen.text }),
  scripts: (seen) => ({ actor_id: seen.actor?.id ?? null, title: seen.title, text: seen.text }),
};

export const NEW = "new"; // stands in the address for the id of what is not there yet

// Where the list of a kind is edited, or one entry of it.
export const address = (kind, id = "") => `#/catalogue/${kind}${id && `/${encodeURIComponent(id)}`}`;

// Somebody else has changed the entry meanwhile; `theirs` is what is there now.
export class Conflict extends Error {
  constructor(problem, theirs) {
    super(problem.message);
    this.status = problem.status;
    this.theirs = theirs;
    this.shown = true; // its message is a sentence for people
  }
}

export class Entry {
  constructor(kind, id) {
    this.kind = kind;
    this.path = `/${kind}/${encodeURIComponent(id)}`;
    this.address = address(kind, id);
  }

  async read(signal) {
    const answer = await request("GET", this.path, { signal });
    this.tag = answer.headers.get("ETag");
    this.seen = await answer.json();
    return this.seen;
  }

  // What it is now, which is not what a change is based on.
  async glance(signal) {
    return ask("GET", this.path, { signal });
  }

  async change(wish) {
    const answer = await this.#asSeen("PUT", { body: wish });
    await answer.json();
    return this.read(); // with the tag of what it is now
  }

  async remove() {
    await this.#asSeen("DELETE", {});
  }

  async #asSeen(method, options) {
    for (let left = AGAIN; ; left -= 1) {
      try {
        return await request(method, this.path, { ...options, headers: { "If-Match": this.tag } });
      } catch (error) {
        if (!(error instanceof Problem) || error.status !== CHANGED || !left) throw error;
        const before = this.written;
        const theirs = await this.read();
        if (this.written !== before) throw new Conflict(error, theirs);
      }
    }
  }

  get written() {
    return JSON.stringify(WRITTEN[this.kind](this.seen));
  }
}
