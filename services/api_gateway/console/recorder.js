// The microphone: one take as a file, with how loud it is while it runs.

// What browsers write, best first; the server decides by looking into the file.
const KINDS = [["audio/webm;codecs=opus", "webm"], ["audio/mp4", "m4a"], ["audio/ogg;codecs=opus", "ogg"]];
export const LONGEST_S = 118; // the server takes two minutes
const LEVELS_MS = 60;
const BEGUN_MS = 1500; // the longest until a browser records

export class NoMicrophone extends Error {
  constructor(why) { // denied | missing | insecure | unsupported
    super(why);
    this.why = why;
  }
}

export class Recorder {
  constructor(onLevel) {
    this.onLevel = onLevel; // (peak 0..1, seconds)
  }

  async start(onLimit) {
    if (!window.isSecureContext) throw new NoMicrophone("insecure");
    if (!navigator.mediaDevices || !window.MediaRecorder) throw new NoMicrophone("unsupported");
    const [mimeType, suffix] = KINDS.find(([kind]) => MediaRecorder.isTypeSupported(kind)) ?? [];
    if (!mimeType) throw new NoMicrophone("unsupported");
    try {
      // What is compared is the voice, not what software made of it to be understood on a phone.
      this.stream = await navigator.mediaDevices.getUserMedia({
        audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
      });
    } catch (error) {
      throw new NoMicrophone(error.name === "NotAllowedError" ? "denied" : "missing");
    }
    this.suffix = suffix;
    this.parts = [];
    this.recorder = new MediaRecorder(this.stream, { mimeType, audioBitsPerSecond: 128_000 });
    this.recorder.ondataavailable = ({ data }) => { if (data.size) this.parts.push(data); };
    this.started = performance.now();
    this.#listen();
    const begun = new Promise((resolve) => {
      this.recorder.onstart = resolve;
      setTimeout(resolve, BEGUN_MS);
    });
    this.recorder.start();
    await begun; // what is said before would be missing
    this.started = performance.now();
    this.limit = setTimeout(onLimit, LONGEST_S * 1000);
  }

  #listen() {
    this.context = new AudioContext();
    const analyser = this.context.createAnalyser();
    analyser.fftSize = 2048;
    this.context.createMediaStreamSource(this.stream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    this.levels = setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      const peak = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
      this.onLevel(peak, (performance.now() - this.started) / 1000);
    }, LEVELS_MS);
  }

  // The take; the microphone is let go.
  async stop() {
    const stopped = new Promise((resolve) => { this.recorder.onstop = resolve; });
    if (this.recorder.state !== "inactive") {
      this.recorder.stop();
      await stopped;
    }
    this.release();
    return new File(this.parts, `recording.${this.suffix}`, { type: this.parts[0]?.type ?? "" });
  }

  release() {
    clearTimeout(this.limit);
    clearInterval(this.levels);
    this.stream?.getTracks().forEach((track) => track.stop());
    this.context?.close().catch(() => {});
    this.context = null;
  }
}
