// SPDX-License-Identifier: GPL-2.0-only
/*
 * Has one of the driver's DMA mappings for transmit fail: write N to the
 * module's parameter "dma" for the Nth from then on; it reads 0 when that has
 * happened.
 * The mapping is made all the same, and nobody ever takes it back: with bounce
 * buffers, each failure keeps some.
 */
#include <linux/atomic.h>
#include <linux/device/driver.h>
#include <linux/dma-mapping.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/string.h>

#define ARG_DEVICE	0
#define ARG_DIRECTION	4

static atomic_t countdown = ATOMIC_INIT(0);

/* Return: 0 when this is the mapping that fails. */
static int entered(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	const struct device *dev =
		(void *)regs_get_kernel_argument(regs, ARG_DEVICE);

	if (!dev->driver || strcmp(dev->driver->name, "duct") ||
	    (int)regs_get_kernel_argument(regs, ARG_DIRECTION) != DMA_TO_DEVICE)
		return 1;
	return atomic_dec_if_positive(&countdown) != 0;
}

static int left(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	regs_set_return_value(regs, DMA_MAPPING_ERROR);
	return 0;
}

static struct kretprobe probe = {
	.kp.symbol_name = "dma_map_page_attrs",
	.entry_handler = entered,
	.handler = left,
};

static int set_dma(const char *value, const struct kernel_param *param)
{
	int nth;
	int err;

	err = kstrtoint(value, 0, &nth);
	if (!err)
		atomic_set(&countdown, nth);
	return err;
}

static int get_dma(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "%d\n", atomic_read(&countdown));
}

static const struct kernel_param_ops dma_ops = {
	.set = set_dma,
	.get = get_dma,
};

module_param_cb(dma, &dma_ops, NULL, 0600);
MODULE_PARM_DESC(dma, "which mapping for transmit fails, counted from now; 0: none");

static int __init faults_init(void)
{
	return register_kretprobe(&probe);
}
module_init(faults_init);

static void __exit faults_exit(void)
{
	unregister_kretprobe(&probe);
}
module_exit(faults_exit);

MODULE_DESCRIPTION("faults for the tests of the duct driver");
MODULE_LICENSE("GPL");
