// What a page does beside its pictures: a sound as a task of its own ends, and a screen that stays on while one is drawn.
(() => {
  const ended = new Set(); // ids of tasks
  let first = true, lock = null;

  const options = () => webui.prompt.options();

  // notification.mp3 of the data folder; without it two short notes, for those who look elsewhere.
  const sound = async () => {
    await webui.prompt.refresh();
    const { sound: which, volume } = options();
    if (which === 'file') {
      const audio = new Audio('internal/notification');
      audio.volume = volume / 100;
      audio.play().catch(() => {}); // a browser plays nothing before the first click
    } else if (which === 'chime' && !document.hasFocus()) chime(volume / 100);
  };

  const chime = volume => {
    const context = new AudioContext(), now = context.currentTime;
    for (const [at, pitch] of [[0, 659.3], [0.16, 880]]) { // E5, A5
      const tone = context.createOscillator(), gain = context.createGain();
      tone.frequency.value = pitch;
      gain.gain.setValueAtTime(0, now + at);
      gain.gain.linearRampToValueAtTime(0.2 * volume, now + at + 0.02);
      gain.gain.exponentialRampToValueAtTime(0.0001, now + at + 0.6);
      tone.connect(gain).connect(context.destination);
      tone.start(now + at);
      tone.stop(now + at + 0.6);
    }
    setTimeout(() => context.close(), 1000);
  };

  // Browsers give this lock over HTTPS and on localhost only, and take it back from a page in the background.
  const stayAwake = async busy => {
    const wanted = busy && options().awake && !document.hidden && 'wakeLock' in navigator;
    if (wanted && !lock) {
      lock = {};
      lock = await navigator.wakeLock.request('screen').catch(() => null);
      lock?.addEventListener('release', () => { lock = null; });
    } else if (!wanted && lock?.release) lock.release();
  };

  const look = state => {
    if (state.lost) return;
    const fresh = state.tasks.filter(task => !webui.progress.unfinished(task) && !ended.has(task.id));
    for (const task of fresh) ended.add(task.id);
    if (!first && fresh.some(task => task.state === 'done')) sound();
    first = false;
    stayAwake(state.tasks.some(webui.progress.unfinished));
  };

  webui.progress.watch(look);
})();
