/* Three workers and the main thread hand each other numbers through a bounded queue; the sum is the exit status. */
#include <pthread.h>
#include <unistd.h>

#define SLOTS 4
#define WORKERS 3
#define EACH 40

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER, emptied = PTHREAD_COND_INITIALIZER;
static int queue[SLOTS], count, first;

static void put(int value)
{
	pthread_mutex_lock(&lock);
	while (count == SLOTS)
		pthread_cond_wait(&emptied, &lock);
	queue[(first + count++) % SLOTS] = value;
	pthread_cond_signal(&filled);
	pthread_mutex_unlock(&lock);
}

static int take(void)
{
	int value;

	pthread_mutex_lock(&lock);
	while (count == 0)
		pthread_cond_wait(&filled, &lock);
	value = queue[first];
	first = (first + 1) % SLOTS;
	count--;
	pthread_cond_signal(&emptied);
	pthread_mutex_unlock(&lock);
	return value;
}

static void *work(void *argument)
{
	volatile int spent = 0;

	for (int i = 0; i < EACH; i++) {
		for (int j = 0; j < 50 * (i % 7); j++)
			spent += j;
		put((int)(long)argument * 100 + i);
	}
	return NULL;
}

int main(void)
{
	pthread_t workers[WORKERS];
	int sum = 0;

	for (long i = 0; i < WORKERS; i++)
		pthread_create(&workers[i], NULL, work, (void *)i);
	for (int i = 0; i < WORKERS * EACH; i++) {
		sum += take();
		if (i % 16 == 0)
			write(1, ".", 1);
	}
	for (int i = 0; i < WORKERS; i++)
		pthread_join(workers[i], NULL);
	return sum % 251;
}
