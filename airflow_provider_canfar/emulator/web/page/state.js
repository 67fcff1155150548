// What the emulator last reported, and which session is open in the panel.

export const state = {
  sessions: [],
  faults: {},
  now: 0, // the emulator's clock, seconds since 1970
  openId: null,
};
