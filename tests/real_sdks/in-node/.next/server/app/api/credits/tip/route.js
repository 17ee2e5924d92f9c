"use strict";const t={};require("../../../../chunks/8421.js").modules[8421]({},t),exports.POST=async function(e){return t.A(e)};
