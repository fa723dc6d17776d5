// Where a moment of one take lies in the other: word by word, evenly within each.

const TICKS = 1e7; // of 100 ns in a second
const LEAST_S = 1e-4; // between two anchors: words without a pause would share one

// The words of a result with their times in seconds; `said`: null where the word was left out.
export function wordsOf(result) {
  return (result.NBest?.[0]?.Words ?? []).map((word, position) => ({
    position,
    text: word.Word,
    score: word.PronunciationAssessment.AccuracyScore,
    error: word.PronunciationAssessment.ErrorType,
    delta: word.Delta,
    actor: span(word.Reference),
    said: word.PronunciationAssessment.ErrorType === "Omission" ? null : span(word),
  }));
}

function span({ Offset, Duration }) {
  return { from: Offset / TICKS, to: (Offset + Duration) / TICKS };
}

// Pairs of moments [in the actor's take, in the recording], both strictly rising.
export function anchorsOf(words) {
  const anchors = [];
  for (const { actor, said } of words) {
    if (!said) continue;
    for (const pair of [[actor.from, said.from], [actor.to, said.to]]) {
      const last = anchors.at(-1);
      anchors.push(last ? pair.map((moment, n) => Math.max(moment, last[n] + LEAST_S)) : pair);
    }
  }
  return anchors;
}

// A function from moments of the recording to moments of the actor's take; `back` is its inverse.
// Before the first word and after the last, time runs as it does.
export function warpOf(words) {
  const anchors = anchorsOf(words);
  const along = (from, to) => (moment) => {
    if (!anchors.length) return moment;
    let n = anchors.findIndex((anchor) => anchor[from] > moment);
    if (n === 0) return moment - anchors[0][from] + anchors[0][to];
    if (n < 0) return moment - anchors.at(-1)[from] + anchors.at(-1)[to];
    const [a, b] = [anchors[n - 1], anchors[n]];
    return a[to] + ((moment - a[from]) / (b[from] - a[from])) * (b[to] - a[to]);
  };
  const warp = along(1, 0);
  warp.back = along(0, 1);
  return warp;
}

// As spoken: only moved so that both begin their first word together.
export function shiftOf(words) {
  const first = words.find((word) => word.said);
  const by = first ? first.actor.from - first.said.from : 0;
  const shift = (moment) => moment + by;
  shift.back = (moment) => moment - by;
  return shift;
}
