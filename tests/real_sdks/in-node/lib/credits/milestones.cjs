exports.award = function award(milestone) {
  throw new RangeError(`no milestone ${milestone}`);
};
