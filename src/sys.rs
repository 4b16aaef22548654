//! System calls that std does not offer, each wrapped once. The only module that may hold `unsafe`
//! (so far `rustix` and `socket2` make that unnecessary).
