// SPDX-License-Identifier: GPL-2.0-only
/* The duct card on PCI: docs/card.md, "PCI". Start reading here. */
#include <linux/etherdevice.h>
#include <linux/module.h>
#include <linux/rtnetlink.h>

#include "duct.h"

#define DUCT_DRV_NAME		"duct"

/**
 * duct_read() - read a 32-bit register
 * @duct: the card
 * @reg: offset in BAR0
 *
 * All ones in a register and in VMAJ is a card that is not there any more: it
 * is then taken out of service.
 *
 * Context: any.
 * Return: the value, ~0 from a card that is gone.
 */
u32 duct_read(struct duct_dev *duct, u32 reg)
{
	u32 value = readl(duct->regs + reg);

	if (unlikely(value == ~0U) && readl(duct->regs + DUCT_VMAJ) == ~0U) {
		set_bit(DUCT_STATE_GONE, &duct->state);
		duct_fail(duct, 0, "no answer at all");
	}
	return value;
}

/**
 * duct_pci_allow_dma() - let the card reach memory
 * @duct: card in its power-on state
 */
void duct_pci_allow_dma(struct duct_dev *duct)
{
	pci_set_master(duct->pdev);
}

/**
 * duct_pci_stop_dma() - keep a card that does not listen from memory
 * @duct: the card
 *
 * Return: true when it can not reach memory any more.
 */
bool duct_pci_stop_dma(struct duct_dev *duct)
{
	u16 command;

	pci_clear_master(duct->pdev);
	pci_read_config_word(duct->pdev, PCI_COMMAND, &command);
	return PCI_POSSIBLE_ERROR(command) || !(command & PCI_COMMAND_MASTER);
}

/* Return: 0, or -ENODEV when this is no card we know. */
static int duct_identify(struct duct_dev *duct)
{
	duct->vmaj = readl(duct->regs + DUCT_VMAJ);
	duct->vmin = readl(duct->regs + DUCT_VMIN);
	duct->hwaddr = readl(duct->regs + DUCT_HWADDR);

	if (duct->vmaj != DUCT_VERSION_MAJOR) {
		dev_err(duct->dev, "unknown version %u.%u\n", duct->vmaj,
			duct->vmin);
		return -ENODEV;
	}
	if (duct_addr_is_mcast(duct->hwaddr)) {
		dev_err(duct->dev, "hwaddr %08x is a multicast address\n",
			duct->hwaddr);
		return -ENODEV;
	}
	return duct_reset(duct);
}

static void duct_announce(struct duct_dev *duct)
{
	netdev_info(duct->netdev, "duct v%u.%u, hwaddr %08x\n", duct->vmaj,
		    duct->vmin, duct->hwaddr);
	netdev_info(duct->netdev, "vector 0 (events): irq %d\n",
		    duct->irq[DUCT_VECTOR_EVENT]);
	netdev_info(duct->netdev, "vector 1 (fatal): irq %d\n",
		    duct->irq[DUCT_VECTOR_FATAL]);
}

static int duct_setup(struct duct_dev *duct)
{
	struct pci_dev *pdev = duct->pdev;
	int err;
	int i;

	duct_netdev_init(duct);
	err = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (err)
		return err;
	err = duct_identify(duct);
	if (err)
		return err;
	err = pci_alloc_irq_vectors(pdev, DUCT_VECTORS, DUCT_VECTORS,
				    PCI_IRQ_MSIX);
	if (err < 0)
		return err;
	for (i = 0; i < DUCT_VECTORS; i++)
		duct->irq[i] = pci_irq_vector(pdev, i);

	err = duct_chardev_register(duct);
	if (err)
		goto err_free_vectors;
	err = duct_netdev_register(duct);
	if (err)
		goto err_unregister_chardev;
	return 0;

err_unregister_chardev:
	duct_chardev_unregister(duct);
err_free_vectors:
	pci_free_irq_vectors(pdev);
	return err;
}

static int duct_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct net_device *netdev;
	struct duct_dev *duct;
	int err;

	/* A name the kernel calls predictable is one that udev keeps. */
	netdev = alloc_netdev(sizeof(*duct), "duct%d", NET_NAME_PREDICTABLE,
			      ether_setup);
	if (!netdev)
		return -ENOMEM;
	SET_NETDEV_DEV(netdev, &pdev->dev);
	pci_set_drvdata(pdev, netdev);
	duct = netdev_priv(netdev);
	duct->netdev = netdev;
	duct->pdev = pdev;
	duct->dev = &pdev->dev;

	if (!(pci_resource_flags(pdev, DUCT_PCI_BAR) & IORESOURCE_MEM) ||
	    pci_resource_len(pdev, DUCT_PCI_BAR) < DUCT_BAR_SIZE) {
		err = -ENODEV;
		goto err_free_netdev;
	}
	err = pci_enable_device_mem(pdev);
	if (err)
		goto err_free_netdev;
	err = pci_request_mem_regions(pdev, DUCT_DRV_NAME);
	if (err)
		goto err_disable_device;
	duct->regs = pci_iomap(pdev, DUCT_PCI_BAR, DUCT_BAR_SIZE);
	if (!duct->regs) {
		err = -ENOMEM;
		goto err_release_regions;
	}
	err = duct_setup(duct);
	if (err)
		goto err_unmap;

	duct_announce(duct);
	return 0;

err_unmap:
	cancel_work_sync(&duct->fatal_work);
	duct_chardev_put(duct->chardev);
	pci_iounmap(pdev, duct->regs);
err_release_regions:
	pci_release_mem_regions(pdev);
err_disable_device:
	pci_disable_device(pdev);
err_free_netdev:
	free_netdev(netdev);
	return err;
}

static void duct_remove(struct pci_dev *pdev)
{
	struct net_device *netdev = pci_get_drvdata(pdev);
	struct duct_dev *duct = netdev_priv(netdev);

	duct_chardev_unregister(duct);
	duct_netdev_unregister(duct);
	cancel_work_sync(&duct->fatal_work);
	duct_chardev_put(duct->chardev);
	pci_free_irq_vectors(pdev);
	pci_iounmap(pdev, duct->regs);
	pci_release_mem_regions(pdev);
	pci_disable_device(pdev);
	/* Pages given up to the card still belong to pools that know it. */
	if (!test_bit(DUCT_STATE_LEAKED, &duct->state))
		free_netdev(netdev);
}

static void duct_shutdown(struct pci_dev *pdev)
{
	struct net_device *netdev = pci_get_drvdata(pdev);

	rtnl_lock();
	netif_device_detach(netdev);
	dev_close(netdev);
	rtnl_unlock();
	pci_disable_device(pdev);
}

static int duct_suspend(struct device *dev)
{
	struct net_device *netdev = dev_get_drvdata(dev);

	rtnl_lock();
	netif_device_detach(netdev);
	if (netif_running(netdev))
		duct_stop(netdev);
	rtnl_unlock();
	return 0;
}

static int duct_resume(struct device *dev)
{
	struct net_device *netdev = dev_get_drvdata(dev);
	int err = 0;

	rtnl_lock();
	if (netif_running(netdev)) {
		err = duct_open(netdev);
		if (err)
			dev_close(netdev);
		else
			duct_set_rx_mode_async(netdev, &netdev->uc,
					       &netdev->mc);
	}
	netif_device_attach(netdev);
	rtnl_unlock();
	return err;
}

static DEFINE_SIMPLE_DEV_PM_OPS(duct_pm_ops, duct_suspend, duct_resume);

static const struct pci_device_id duct_pci_ids[] = {
	{ PCI_DEVICE(DUCT_PCI_VENDOR, DUCT_PCI_DEVICE) },
	{ }
};
MODULE_DEVICE_TABLE(pci, duct_pci_ids);

static struct pci_driver duct_pci_driver = {
	.name		= DUCT_DRV_NAME,
	.id_table	= duct_pci_ids,
	.probe		= duct_probe,
	.remove		= duct_remove,
	.shutdown	= duct_shutdown,
	.driver.pm	= pm_sleep_ptr(&duct_pm_ops),
};
module_pci_driver(duct_pci_driver);

MODULE_DESCRIPTION("Network driver for the duct card");
MODULE_LICENSE("GPL");
