/*
 * instant.h - points in time and civil dates in Asia/Ho_Chi_Minh (UTC+7, no daylight saving).
 *
 * Never reads a clock except in instant_now() and monotonic_us(); libraries get instants passed in.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct instant {
	int64_t ms; /* since 1970-01-01T00:00:00Z */
};

/* A civil date as the number of days since 1970-01-01; DATE_NONE where a date is open. */
struct date {
	int32_t day;
};

#define DATE_NONE ((struct date){ INT32_MAX })

enum {
	INSTANT_TEXT_SIZE = 32, /* "2022-06-10T00:00:00+07:00" and NUL */
	DATE_TEXT_SIZE = 16,
};

struct instant instant_now(void);

/* Of a clock that never goes back, for waits and bounds; its zero means nothing. */
int64_t monotonic_us(void);

/* Writes RFC 3339 with the offset +07:00; size at least INSTANT_TEXT_SIZE. */
void instant_format(struct instant instant, char *ret, size_t size);

/* Reads YYYY-MM-DD, or YYYY-MM-DDThh:mm[:ss][Z|±hh:mm] (local time without offset). False if not. */
bool instant_parse(const char *text, struct instant *ret);

/* The first instant of that day, and the day of an instant, in Asia/Ho_Chi_Minh. */
struct instant date_start(struct date date);
struct date instant_date(struct instant instant);

struct date date_make(int year, int month, int day); /* month 1..12; day 1..31 */
void date_split(struct date date, int *ret_year, int *ret_month, int *ret_day);
bool date_parse(const char *text, struct date *ret); /* YYYY-MM-DD, a day that exists */
void date_format(struct date date, char *ret, size_t size);
int date_days_in_month(int year, int month);
