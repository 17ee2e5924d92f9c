exports.stopLater = function stopLater() {
  setImmediate(function stop() {
    throw new Error("the recording has no end");
  });
};
