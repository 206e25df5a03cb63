/** The version of Redis whose commands and replies Torc's are: what HELLO and INFO tell, since clients choose features by it. */
export const REDIS_VERSION = '7.2.0';
