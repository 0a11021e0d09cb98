"use strict";
// Accept and refuse for the ear, made of tones; and for the hand, on phones.

let context = null;

function tone(pitch, begin, length, shape) {
  const oscillator = context.createOscillator();
  const volume = context.createGain();
  oscillator.type = shape;
  oscillator.frequency.value = pitch;
  const from = context.currentTime + begin;
  volume.gain.setValueAtTime(0.25, from);
  volume.gain.exponentialRampToValueAtTime(0.001, from + length);
  oscillator.connect(volume).connect(context.destination);
  oscillator.start(from);
  oscillator.stop(from + length);
}

function play(tones, rhythm) {
  navigator.vibrate?.(rhythm);
  if (!("AudioContext" in window)) return;
  context ??= new AudioContext();
  // A browser lets a page sound only after somebody touched it; signing in does.
  context.resume().catch(() => {});
  for (const each of tones) tone(...each);
}

export function accept() {
  play([[880, 0, 0.12, "sine"], [1320, 0.12, 0.22, "sine"]], [80]);
}

export function refuse() {
  play([[196, 0, 0.25, "square"], [147, 0.27, 0.4, "square"]], [200, 100, 200]);
}
