/*
 * sigbus.h - ends the process with words and status 74 where a mapped page of the store cannot be read:
 * without it the kernel would end it by a signal, and say nothing.
 */
#pragma once

/*
 * From now on, for all threads that thread_new makes too. Once in a process.
 *
 * folder  of the store, for the words
 */
void sigbus_catch(const char *folder);
