// SPDX-License-Identifier: MIT
// The UART of the ESP chips: baud rate and frame, bytes at line speed both ways, overflow, and time that jumps over
// waiting.
#include "tests/tap.h"

#include "agent/vboard/esp_uart.h"

#define CPU_HZ 240000000u
#define BYTE_CYCLES (CPU_HZ * 10ull / 115200)

static struct esp_uart u;
static struct esp_uart_now now = {0, CPU_HZ};
static uint8_t sent[1024];
static size_t n_sent;

static void hear(void *user, uint8_t byte)
{
    (void)user;
    if (n_sent < sizeof sent)
        sent[n_sent++] = byte;
}

static uint32_t rd(uint32_t offset)
{
    uint64_t skip;
    uint32_t v = esp_uart_read(&u, offset, &now, &skip);
    now.cycle += skip;
    return v;
}

static void wr(uint32_t offset, uint32_t value)
{
    esp_uart_write(&u, offset, value, &now);
}

static void start(void)
{
    esp_uart_init(&u, 115200, 80000000, 40000000, hear, NULL);
    now.cycle = 1000;
    n_sent = 0;
}

static void test_line(void)
{
    start();
    OK(esp_uart_line_ok(&u)); // as the ROM leaves it
    wr(ESP_UART_CLK_CONF, 1 << 20 | 1 << 22);
    wr(ESP_UART_CLKDIV, 694 | 7 << 20); // 80 MHz / 694.4375
    OKF(esp_uart_baud(&u) > 115195 && esp_uart_baud(&u) < 115205, "%.1f baud", esp_uart_baud(&u));
    wr(ESP_UART_CLK_CONF, 1 << 20 | 1 << 22 | 1 << 12); // half of it
    OK(esp_uart_baud(&u) > 57590 && esp_uart_baud(&u) < 57610);
    OK(!esp_uart_line_ok(&u));
    wr(ESP_UART_CLK_CONF, 1 << 20); // clock off
    OK(!esp_uart_line_ok(&u));
    esp_uart_reset(&u);
    wr(ESP_UART_CONF0, 0x1000001e); // parity
    OK(!esp_uart_line_ok(&u));
    wr(ESP_UART_CONF0, 0x1000001c);
    wr(ESP_UART_CLKDIV, 1000);
    for (int i = 0; i < 20; i++)
        wr(ESP_UART_FIFO, 'U');
    int same = 0;
    for (int i = 0; i < 20; i++)
        same += sent[i] == 'U';
    OKF(n_sent == 20 && same < 5, "at a wrong rate %d of 20 bytes survive", same);
}

static void test_transmit(void)
{
    start();
    wr(ESP_UART_FIFO, 'a');
    EQ_INT(rd(ESP_UART_STATUS) >> 16, 1);
    now.cycle += BYTE_CYCLES;
    EQ_INT(rd(ESP_UART_STATUS) >> 16, 0);
    // A program that looks before it writes loses nothing and is slowed down to the line.
    uint64_t begin = now.cycle;
    n_sent = 0;
    for (int i = 0; i < 1000; i++) {
        while (rd(ESP_UART_STATUS) >> 16 >= ESP_UART_FIFO_DEPTH - 1)
            now.cycle += 10;
        wr(ESP_UART_FIFO, (uint32_t)i);
    }
    EQ_INT(n_sent, 1000);
    EQ_INT(sent[999], 999 & 0xff);
    uint64_t bytes = (now.cycle - begin) / BYTE_CYCLES;
    OKF(bytes >= 1000 - ESP_UART_FIFO_DEPTH && bytes <= 1000, "it took the time of %d bytes",
        (int)bytes);
    // One that does not look loses what the FIFO cannot hold.
    start();
    for (int i = 0; i < 200; i++)
        wr(ESP_UART_FIFO, (uint32_t)i);
    EQ_INT(n_sent, ESP_UART_FIFO_DEPTH);
}

static void test_receive(void)
{
    static const char line[] = "hello*1234\n";
    char got[32] = {0};
    size_t n = 0;
    start();
    EQ_INT(esp_uart_input(&u, (const uint8_t *)line, sizeof line - 1, &now), sizeof line - 1);
    EQ_INT(rd(ESP_UART_STATUS) & 0x3ff, 0); // the first byte is still on its way
    EQ_INT(rd(ESP_UART_STATUS) & 0x3ff, 1); // who waits gets it at once, in the board's time
    OK(now.cycle >= 1000 + BYTE_CYCLES && now.cycle < 1000 + 2 * BYTE_CYCLES);
    OK(!esp_uart_idle(&u));
    while (n < sizeof line - 1) {
        if (rd(ESP_UART_STATUS) & 0x3ff)
            got[n++] = (char)rd(ESP_UART_FIFO);
    }
    EQ_STR(got, line);
    EQ_INT(rd(ESP_UART_FIFO), 0); // empty
    for (int i = 0; i < UART_LINE_IDLE_READS; i++)
        rd(ESP_UART_STATUS);
    OK(esp_uart_idle(&u));
    OK((rd(ESP_UART_INT_RAW) & ESP_UART_INT_OVERFLOW) == 0);

    // Nobody reads: the FIFO overflows, says so once, and keeps the oldest.
    uint8_t many[200];
    memset(many, 'x', sizeof many);
    many[0] = 'o';
    EQ_INT(esp_uart_input(&u, many, sizeof many, &now), sizeof many);
    OK(!esp_uart_idle(&u));
    now.cycle += 300 * BYTE_CYCLES;
    OK((rd(ESP_UART_INT_RAW) & ESP_UART_INT_OVERFLOW) != 0);
    EQ_INT(rd(ESP_UART_STATUS) & 0x3ff, ESP_UART_FIFO_DEPTH);
    wr(ESP_UART_INT_CLR, ESP_UART_INT_OVERFLOW);
    OK((rd(ESP_UART_INT_RAW) & ESP_UART_INT_OVERFLOW) == 0);
    EQ_INT(rd(ESP_UART_FIFO), 'o');
    wr(ESP_UART_CONF0, 0x1000001c | 1 << 17); // RXFIFO_RST
    EQ_INT(rd(ESP_UART_STATUS) & 0x3ff, 0);

    // More than the other end may have under way.
    uint8_t flood[UART_LINE_QUEUE + 10] = {0};
    EQ_INT(esp_uart_input(&u, flood, sizeof flood, &now), UART_LINE_QUEUE);
}

int main(void)
{
    test_line();
    test_transmit();
    test_receive();
    return tap_done();
}
