"use strict";exports.id=8421,exports.modules={8421:(e,t)=>{t.A=function(e){throw new Error("no balance for "+e)}}};
