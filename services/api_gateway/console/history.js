// What was changed, over all frames, so that it can be taken back and done again.

const DEPTH = 500;

export class History {
  constructor() {
    this.done = [];
    this.undone = [];
  }

  add(frame, before, after) {
    this.done.push({ frame, before, after });
    if (this.done.length > DEPTH) this.done.shift();
    this.undone = [];
  }

  undo() {
    const step = this.done.pop();
    if (step) this.undone.push(step);
    return step && { frame: step.frame, ...step.before };
  }

  redo() {
    const step = this.undone.pop();
    if (step) this.done.push(step);
    return step && { frame: step.frame, ...step.after };
  }
}
