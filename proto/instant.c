/*
 * The civil calendar is the proleptic Gregorian one, computed by counting days in eras of 400
 * years that begin on 1 March, so that the leap day is the last day of a year.
 */
#include "proto/instant.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
	MS_PER_SECOND = 1000,
	MS_PER_MINUTE = 60 * MS_PER_SECOND,
	MS_PER_HOUR = 60 * MS_PER_MINUTE,
	MS_PER_DAY = 24 * MS_PER_HOUR,
	OFFSET_MS = 7 * MS_PER_HOUR, /* Asia/Ho_Chi_Minh since 13/6/1975 */
	YEAR_MIN = 1900,
	YEAR_MAX = 2200,
};

int64_t monotonic_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

struct instant instant_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (struct instant){ (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 };
}

static int64_t floor_divide(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

struct date date_make(int year, int month, int day)
{
	int64_t y = year - (month <= 2);
	int64_t era = floor_divide(y, 400);
	int64_t year_of_era = y - era * 400;
	int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

	return (struct date){ (int32_t)(era * 146097 + day_of_era - 719468) };
}

void date_split(struct date date, int *ret_year, int *ret_month, int *ret_day)
{
	int64_t z = (int64_t)date.day + 719468;
	int64_t era = floor_divide(z, 146097);
	int64_t day_of_era = z - era * 146097;
	int64_t year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year =
		day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t shifted = (5 * day_of_year + 2) / 153;

	*ret_day = (int)(day_of_year - (153 * shifted + 2) / 5 + 1);
	*ret_month = (int)(shifted < 10 ? shifted + 3 : shifted - 9);
	*ret_year = (int)(year_of_era + era * 400 + (*ret_month <= 2));
}

int date_days_in_month(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

/* Reads exactly count digits at *at and moves on. */
static bool read_digits(const char **at, int count, int *ret)
{
	int value = 0;

	for (int i = 0; i < count; i++) {
		char c = (*at)[i];

		if (c < '0' || c > '9') {
			return false;
		}
		value = value * 10 + (c - '0');
	}
	*at += count;
	*ret = value;
	return true;
}

static bool read_char(const char **at, char c)
{
	if (**at != c) {
		return false;
	}
	(*at)++;
	return true;
}

static bool read_date(const char **at, struct date *ret)
{
	int year, month, day;

	if (!read_digits(at, 4, &year) || !read_char(at, '-') || !read_digits(at, 2, &month) ||
		!read_char(at, '-') || !read_digits(at, 2, &day)) {
		return false;
	}
	if (year < YEAR_MIN || year > YEAR_MAX || month < 1 || month > 12 || day < 1 ||
		day > date_days_in_month(year, month)) {
		return false;
	}
	*ret = date_make(year, month, day);
	return true;
}

bool date_parse(const char *text, struct date *ret)
{
	struct date date;

	if (!read_date(&text, &date) || *text != '\0') {
		return false;
	}
	*ret = date;
	return true;
}

void date_format(struct date date, char *ret, size_t size)
{
	int year, month, day;

	if (date.day == DATE_NONE.day) {
		snprintf(ret, size, "%s", "");
		return;
	}
	date_split(date, &year, &month, &day);
	snprintf(ret, size, "%04d-%02d-%02d", year, month, day);
}

struct instant date_start(struct date date)
{
	return (struct instant){ (int64_t)date.day * MS_PER_DAY - OFFSET_MS };
}

/* An instant in local time; instants of peers that no calendar has are taken as its ends. */
static int64_t local_ms(struct instant instant)
{
	const int64_t most = INT64_C(100000000) * MS_PER_DAY; /* some 270,000 years */
	int64_t ms = instant.ms > most ? most : instant.ms < -most ? -most : instant.ms;

	return ms + OFFSET_MS;
}

struct date instant_date(struct instant instant)
{
	return (struct date){ (int32_t)floor_divide(local_ms(instant), MS_PER_DAY) };
}

void instant_format(struct instant instant, char *ret, size_t size)
{
	int64_t local = local_ms(instant);
	int64_t in_day = local - floor_divide(local, MS_PER_DAY) * MS_PER_DAY;
	int year, month, day;

	date_split(instant_date(instant), &year, &month, &day);
	snprintf(ret, size, "%04d-%02d-%02dT%02d:%02d:%02d+07:00", year, month, day,
		(int)(in_day / MS_PER_HOUR), (int)(in_day / MS_PER_MINUTE % 60),
		(int)(in_day / MS_PER_SECOND % 60));
}

bool instant_parse(const char *text, struct instant *ret)
{
	struct date date;
	int hour = 0, minute = 0, second = 0;
	int64_t offset = OFFSET_MS;

	if (!read_date(&text, &date)) {
		return false;
	}
	if (*text != '\0') {
		int sign, offset_hour, offset_minute;

		if (!read_char(&text, 'T') || !read_digits(&text, 2, &hour) ||
			!read_char(&text, ':') || !read_digits(&text, 2, &minute)) {
			return false;
		}
		if (*text == ':' && (text++, !read_digits(&text, 2, &second))) {
			return false;
		}
		if (*text == 'Z') {
			text++;
			offset = 0;
		} else if (*text == '+' || *text == '-') {
			sign = *text++ == '+' ? 1 : -1;
			if (!read_digits(&text, 2, &offset_hour) || !read_char(&text, ':') ||
				!read_digits(&text, 2, &offset_minute) || offset_hour > 14 ||
				offset_minute > 59) {
				return false;
			}
			offset = sign * ((int64_t)offset_hour * MS_PER_HOUR +
						(int64_t)offset_minute * MS_PER_MINUTE);
		}
	}
	if (*text != '\0' || hour > 23 || minute > 59 || second > 59) {
		return false;
	}
	ret->ms = (int64_t)date.day * MS_PER_DAY + (int64_t)hour * MS_PER_HOUR +
		  (int64_t)minute * MS_PER_MINUTE + (int64_t)second * MS_PER_SECOND - offset;
	return true;
}
